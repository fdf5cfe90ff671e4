/// What the remote's answer says of a settled row: decides, and asks nobody (docs/sync.md, "Coming back from Redis").
///
/// A version that is known is never given up for an older one: a remote that went back behind it has lost something.
enum RowFinding: Sendable, Equatable {
    /// It is what the remote has, or stands for it; its life ends then at the latest.
    case stands(until: Timestamp?)
    /// Something else is there now, of this version.
    case replaced(RemoteEntry, Version)
    /// It was deleted under this version.
    case deleted(Version, forgottenAt: Timestamp)
    /// Nothing is there any more: it expired, or was replaced by something that has gone, too. Nothing older than the stamp of this
    /// version is to be shown after it; it is no version of anything, and its node is 0.
    case gone(after: Version)
    /// The remote is behind the row: it lost what it had.
    case behind
    /// Nothing is there, and what the remote knew may be lost: the row stands, and stays unverified.
    case unknown

    /// Weighs a row that is no pending change; `nil` stands for no row.
    ///
    /// - Parameter recordsMayBeLost: whether the bucket of the key lost records, or nobody has compared its marks yet.
    init(_ row: StoredEntry?, _ view: RemoteView, recordsMayBeLost: Bool, now: Timestamp) {
        guard let row else {
            self = Self.weighWithoutRow(view)
            return
        }
        if row.isNegative {
            self = Self.weigh(negative: row, view)
        } else if let entry = view.entry {
            self = Self.weigh(row, entry, view, recordsMayBeLost, now)
        } else if let record = view.record {
            self = Self.weigh(row, absentBeside: record, now)
        } else if row.isLive(at: now) {
            let isUnknown = recordsMayBeLost && row.version > .unknown
            self = isUnknown ? .unknown : .gone(after: row.version.floor)
        } else {
            self = .stands(until: nil)
        }
    }

    private static func weighWithoutRow(_ view: RemoteView) -> RowFinding {
        if let entry = view.entry { return .replaced(entry, view.version) }
        // Kept, so that what was deleted is not served again should the remote forget that it was.
        guard let record = view.record, record.kind == .tombstone else { return .stands(until: nil) }
        return deleted(record)
    }

    /// That there is no such value is nothing that the remote was told: it holds until a value or a delete comes there.
    private static func weigh(negative row: StoredEntry, _ view: RemoteView) -> RowFinding {
        if let entry = view.entry {
            // From before what was known when there was found to be nothing: the remote lost what came after it.
            let isFormer = view.version > .unknown && view.version < row.version
            return isFormer ? .unknown : .replaced(entry, view.version)
        }
        guard let record = view.record, record.kind == .tombstone, record.versionOfDelete > row.version else {
            return .stands(until: nil)
        }
        return deleted(record)
    }

    private static func deleted(_ record: RemoteRecord) -> RowFinding {
        let version = record.versionOfDelete
        return version.isReal ? .deleted(version, forgottenAt: record.expiresAt) : .gone(after: version)
    }

    private static func weigh(
        _ row: StoredEntry, _ entry: RemoteEntry, _ view: RemoteView, _ recordsMayBeLost: Bool, _ now: Timestamp
    ) -> RowFinding {
        let end = entry.remaining.map { now.advanced(by: $0) }
        let isLive = row.isLive(at: now)
        if row.value == entry.value {
            return isLive ? .stands(until: end) : .replaced(entry, max(view.version, row.version))
        }
        let recorded = view.record?.version ?? .unknown
        if recorded < row.version {
            // What was lost is sent to the remote again first; until then nobody can tell which of the two is newer.
            if view.record == nil, recordsMayBeLost { return .unknown }
            // A change whose life ended before it was sent may never have taken effect there.
            let hasTakenEffect = isLive || row.isTombstone || row.origin == .remote || recordsMayBeLost
            // Before what the remote has lost since; not a value that somebody without versions wrote over the record.
            let isFormer = view.version > .unknown || row.base.contains { $0.isOf(entry.value) }
            if hasTakenEffect, isFormer { return .behind }
        }
        // One version is one value: this one was sealed anew since.
        if isLive, view.version > .unknown, view.version == row.version { return .stands(until: end) }
        return .replaced(entry, view.version)
    }

    private static func weigh(
        _ row: StoredEntry, absentBeside record: RemoteRecord, _ now: Timestamp
    ) -> RowFinding {
        if record.version < row.version { return row.isLive(at: now) ? .behind : .stands(until: nil) }
        if record.kind == .tombstone {
            // Perhaps this node's own change, whose life was over before it was sent: it is sent again if it is lost.
            let isSame = row.version == record.version || row.version == record.version.floor
            let isKnown = isSame && !row.isLive(at: now)
            return isKnown ? .stands(until: nil) : deleted(record)
        }
        let isThisValue = record.version == row.version || row.value.map { record.fingerprint.isOf($0) } ?? false
        guard row.isLive(at: now) else {
            // A stale value gives way to what came after it, though that has gone, too.
            return row.isStale(at: now) && row.version.isReal && !isThisValue
                ? .gone(after: record.version.floor) : .stands(until: nil)
        }
        // Evicted there, or deleted by somebody without versions: they can't be told apart.
        if isThisValue, record.expiresAt > now { return .stands(until: nil) }
        // Its life ended there a little earlier than by the clock here: where it is kept beyond that, as a stale value.
        if isThisValue, row.staleAt < row.expiresAt { return .stands(until: record.expiresAt) }
        return .gone(after: record.version.floor)
    }
}

extension StoredEntry {
    /// Whether there is a value whose life has not ended.
    func isLive(at now: Timestamp) -> Bool { value != nil && staleAt > now }

    /// Whether there is a value whose life has ended, kept for when nothing newer is to be had.
    func isStale(at now: Timestamp) -> Bool { value != nil && staleAt <= now && expiresAt > now }
}
