/// What the remote's answer says of a settled row: decides, and asks nobody (docs/sync.md, "Coming back from Redis").
///
/// A version that is known is never given up for an older one: a remote that went back behind it has lost something.
enum RowFinding: Sendable, Equatable {
    /// It is what the remote has, or stands for it; its life ends then at the latest.
    case stands(until: Timestamp?)
    /// Something else is there now, of at least this version.
    case replaced(RemoteEntry, atLeast: Version)
    /// Nothing is there any more: deleted, expired, or replaced by something that has gone, too.
    case gone(atLeast: Version, forgottenAt: Timestamp?)
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
        if let entry = view.entry {
            self = Self.weigh(row, entry, view.record, recordsMayBeLost, now)
        } else if let record = view.record {
            self = Self.weigh(row, absentBeside: record, now)
        } else if row.isLive(at: now) {
            let isUnknown = recordsMayBeLost && row.version > .unknown
            self = isUnknown ? .unknown : .gone(atLeast: row.version, forgottenAt: nil)
        } else {
            self = .stands(until: nil)
        }
    }

    private static func weighWithoutRow(_ view: RemoteView) -> RowFinding {
        if let entry = view.entry { return .replaced(entry, atLeast: view.record?.version ?? .unknown) }
        // Kept, so that what was deleted is not served again should the remote forget that it was.
        guard let record = view.record, record.kind == .tombstone else { return .stands(until: nil) }
        return .gone(atLeast: record.version, forgottenAt: record.expiresAt)
    }

    private static func weigh(
        _ row: StoredEntry, _ entry: RemoteEntry, _ record: RemoteRecord?, _ recordsMayBeLost: Bool, _ now: Timestamp
    ) -> RowFinding {
        let end = entry.remaining.map { now.advanced(by: $0) }
        let newest = max(record?.version ?? .unknown, row.version)
        if row.value == entry.value {
            return row.isLive(at: now) ? .stands(until: end) : .replaced(entry, atLeast: newest)
        }
        guard let record else {
            // What the remote lost is sent to it again first; until then nobody can tell which of the two is newer.
            return recordsMayBeLost && row.version > .unknown ? .unknown : .replaced(entry, atLeast: newest)
        }
        if record.kind == .value, record.fingerprint.isOf(entry.value) {
            if record.version < row.version { return .behind }
            // One version is one value: this one was sealed anew since.
            let isSame = record.version == row.version && row.isLive(at: now)
            return isSame ? .stands(until: end) : .replaced(entry, atLeast: record.version)
        }
        // Written without a version, after the record; or before what the remote has lost since.
        let isFormer = record.version < row.version && row.base.contains { $0.isOf(entry.value) }
        return isFormer ? .behind : .replaced(entry, atLeast: newest)
    }

    private static func weigh(
        _ row: StoredEntry, absentBeside record: RemoteRecord, _ now: Timestamp
    ) -> RowFinding {
        if record.version < row.version { return row.isLive(at: now) ? .behind : .stands(until: nil) }
        if record.kind == .tombstone {
            let isKnown = row.isTombstone && row.version == record.version
            return isKnown ? .stands(until: nil) : .gone(atLeast: record.version, forgottenAt: record.expiresAt)
        }
        guard row.isLive(at: now) else { return .stands(until: nil) }
        // Evicted there, or deleted by somebody without versions: they can't be told apart.
        let isThisValue = record.version == row.version || row.value.map { record.fingerprint.isOf($0) } ?? false
        return isThisValue && record.expiresAt > now
            ? .stands(until: nil) : .gone(atLeast: record.version, forgottenAt: nil)
    }
}

extension StoredEntry {
    /// Whether there is a value whose life has not ended.
    func isLive(at now: Timestamp) -> Bool { value != nil && expiresAt > now }
}
