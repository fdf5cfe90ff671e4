import CacheKitSync

extension Setting {
    static let sync: [Setting] = pushing + policy + backPressure

    private static let pushing: [Setting] = [
        Setting("sync.batch_changes", \.sync.batchChanges, as: "sync.batchChanges", .count, "changes of one batch"),
        Setting("sync.batch_bytes", \.sync.batchBytes, as: "sync.batchBytes", .bytes, "bytes of its values"),
        Setting(
            "sync.first_backoff", \.sync.firstBackoff, as: "sync.firstBackoff", .duration,
            "bound of the first wait after a failure"),
        Setting(
            "sync.longest_backoff", \.sync.longestBackoff, as: "sync.longestBackoff", .duration,
            "bound of any such wait"),
        Setting(
            "sync.attempts_per_change", \.sync.attemptsPerChange, as: "sync.attemptsPerChange", .count,
            "tries before a change that Redis refuses is a dead letter"),
        Setting(
            "sync.idle_interval", \.sync.idleInterval, as: "sync.idleInterval", .duration,
            "looking for what other processes committed"),
        Setting(
            "sync.late_after", \.sync.lateAfter, as: "sync.lateAfter", .duration,
            "an older change asks who wrote before"),
        Setting(
            "sync.tombstone_life", \.sync.tombstoneLife, as: "sync.tombstoneLife", .duration,
            "how long Redis remembers deletes; the same on every node"),
        Setting(
            "sync.record_retention", \.sync.recordRetention, as: "sync.recordRetention", .duration,
            "how long Redis keeps versions beyond a value's life"),
        Setting(
            "sync.survey_interval", \.sync.surveyInterval, as: "sync.surveyInterval", .duration,
            "asking Redis for its time"),
        Setting(
            "sync.marks_interval", \.sync.marksInterval, as: "sync.marksInterval", .duration,
            "looking for what Redis lost"),
        Setting(
            "sync.sweep_interval", \.sync.sweepInterval, as: "sync.sweepInterval", .duration, "sweeping old records"),
        Setting(
            "sync.stall_alarm", \.sync.stallAlarm, as: "sync.stallAlarm", .duration,
            "pending without progress for so long is an error in the log"),
    ]

    private static let policy: [Setting] = [
        Setting(
            "sync.policy.stale", \.sync.policy.stale, as: "sync.policy.stale",
            .oneOf([("remote_wins", SyncPolicy.Stale.remoteWins), ("local_wins", .localWins)]),
            "who wins where Redis holds something newer"),
        Setting(
            "sync.policy.foreign", \.sync.policy.foreign, as: "sync.policy.foreign",
            .oneOf([
                ("remote_wins", SyncPolicy.Foreign.remoteWins), ("local_wins", .localWins), ("invalidate", .invalidate),
            ]), "who wins where another SDK wrote before a late change"),
        Setting(
            "sync.policy.absent", \.sync.policy.absent, as: "sync.policy.absent",
            .oneOf([("apply", SyncPolicy.Absent.apply), ("drop", .drop)]),
            "what becomes of a late change whose value in Redis is gone before its time"),
        Setting(
            "sync.policy.lost", \.sync.policy.lost, as: "sync.policy.lost",
            .oneOf([("repopulate", SyncPolicy.Lost.repopulate), ("trust_remote", .trustRemote)]),
            "whether what Redis lost is sent again"),
        Setting(
            "sync.policy.is_single_writer", \.sync.policy.isSingleWriter, as: "sync.policy.isSingleWriter", .flag,
            "only this node ever writes: plain writes, faster, unprotected"),
        Setting(
            "sync.policy.pending_keeps_alive", \.sync.policy.pendingKeepsAlive, as: "sync.policy.pendingKeepsAlive",
            .flag, "the life of every value begins when it is first sent"),
    ]

    private static let backPressure: [Setting] = [
        Setting(
            "sync.back_pressure.changes", \.sync.backPressure.changes, as: "sync.backPressure.changes",
            SettingForm.count.orNone(), "changes that may wait for Redis"),
        Setting(
            "sync.back_pressure.bytes", \.sync.backPressure.bytes, as: "sync.backPressure.bytes",
            SettingForm.bytes.orNone(), "bytes of values that may"),
        Setting(
            "sync.back_pressure.response", \.sync.backPressure.response.kind, as: "sync.backPressure.response",
            .oneOf([("block", BackPressure.Response.Kind.block), ("write_through", .writeThrough), ("reject", .reject)]
            ),
            "what a write meets at these bounds"),
        Setting(
            "sync.back_pressure.timeout", as: "sync.backPressure.timeout", words: SettingForm.duration.words,
            example: "3s", "how long it waits, unless it is refused at once",
            read: { $0.sync.backPressure.response.timeout.map(SettingForm.duration.text) },
            write: { settings, text in
                guard let timeout = SettingForm.duration.parse(text) else {
                    return "must be \(SettingForm.duration.words)"
                }
                switch settings.sync.backPressure.response {
                case .block: settings.sync.backPressure.response = .block(timeout: timeout)
                case .writeThrough: settings.sync.backPressure.response = .writeThrough(timeout: timeout)
                case .reject: return "has no meaning where sync.back_pressure.response is reject; leave it out"
                }
                return nil
            }),
    ]
}

extension BackPressure.Response {
    enum Kind: Equatable, Sendable {
        case block
        case writeThrough
        case reject
    }

    var timeout: Duration? {
        switch self {
        case .block(let timeout), .writeThrough(let timeout): timeout
        case .reject: nil
        }
    }

    /// What it does, apart from how long; one that begins to wait does so five seconds.
    var kind: Kind {
        get {
            switch self {
            case .block: .block
            case .writeThrough: .writeThrough
            case .reject: .reject
            }
        }
        set {
            let timeout = timeout ?? .seconds(5)
            switch newValue {
            case .block: self = .block(timeout: timeout)
            case .writeThrough: self = .writeThrough(timeout: timeout)
            case .reject: self = .reject
            }
        }
    }
}
