import CacheKit
import CacheKitCore

/// A replay as reports show it; docs/operations.md has the schema.
struct ReplayFields {
    private let replay: ReplayReport

    init(_ replay: ReplayReport) {
        self.replay = replay
    }

    private var state: String {
        replay.isFinished ? "finished" : replay.error == nil ? "stopped" : "failed"
    }

    private var name: String {
        let digits = String(replay.id, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private var rate: Int {
        let seconds = replay.elapsed / .seconds(1)
        return seconds > 0 ? Int((Double(replay.counts.sent) / seconds).rounded()) : 0
    }

    /// All of it.
    var report: Report {
        var fields = Report()
        fields.add("schema", 1)
        fields.add("run", replay.isDryRun ? .nil : .string(name))
        fields.add("state", state)
        fields.add("dry_run", replay.isDryRun)
        fields.add("resumed", replay.isResumed)
        fields.add("selected", replay.selection.state.rawValue)
        fields.add("examined", replay.counts.examined)
        fields.add("sent", replay.counts.sent)
        for outcome in ReplayOutcome.allCases {
            fields.add((outcome.isSkipped ? "skipped_" : "") + outcome.rawValue, replay.counts[outcome])
        }
        fields.add("first_refusal", replay.firstRefusal.map { .string($0) } ?? .nil)
        fields.add("first_change", replay.first.number)
        fields.add("position", replay.position.number)
        fields.add("last_change", replay.last.number)
        fields.add("milliseconds", Int(replay.elapsed.wholeMilliseconds))
        fields.add("keys_per_second", rate)
        return fields
    }

    /// For a list: a line each.
    var line: String {
        let age = Seconds.left(until: replay.startedAt)
        return "\(name)  \(replay.selection.state.rawValue), \(replay.counts.examined) examined, at change "
            + "\(replay.position.number) of \(replay.last.number), begun \(max(0, -age)) s ago"
    }
}

/// What is not in order after a replay, and the exit code that says so.
struct ReplayEnd {
    private let replay: ReplayReport

    init(_ replay: ReplayReport) {
        self.replay = replay
    }

    func check() throws {
        let goesOn = replay.isDryRun ? "" : "; the same command goes on from there"
        if let error = replay.error {
            StandardError.write("cachekit: the replay ended at change \(replay.position.number)\(goesOn)")
            throw error
        }
        if !replay.isFinished {
            StandardError.write("cachekit: stopped at change \(replay.position.number)\(goesOn)")
            throw ExitStatus.partial
        }
        let (refused, left) = (replay.counts[.failed], replay.counts.conflicts)
        if refused > 0 {
            StandardError.write("cachekit: Redis refused \(refused) keys by themselves; see first_refusal")
            throw ExitStatus.partial
        }
        if left > 0 {
            StandardError.write(
                "cachekit: \(left) changes met what somebody else wrote or deleted, or are too old to tell; decide with --policy or --send-too-old"
            )
            throw ExitStatus.conflictsLeft
        }
    }
}
