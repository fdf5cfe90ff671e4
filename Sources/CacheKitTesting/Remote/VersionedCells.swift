public import CacheKit
public import CacheKitCore

/// A model of what a remote holds and decides: docs/sync.md, written without the script that Redis runs.
public struct VersionedCells: Sendable {
    /// A value and its end.
    public struct Cell: Sendable, Equatable {
        /// The bytes; `nil` stands for a value of another type, which no versioned write can read.
        public var value: [UInt8]?
        /// When it ends; `nil` for never.
        public var expiresAt: Timestamp?

        /// A value and its end.
        public init(value: [UInt8]?, expiresAt: Timestamp?) {
            self.value = value
            self.expiresAt = expiresAt
        }
    }

    /// Records and marks of one bucket.
    public struct Bucket: Sendable, Equatable {
        /// The record of each key.
        public var records: [CacheKey: RemoteRecord] = [:]
        /// The mark of each node.
        public var marks: [UInt64: UInt64] = [:]
    }

    /// The values.
    public var cells: [CacheKey: Cell] = [:]
    /// The buckets that exist.
    public var buckets: [Int: Bucket] = [:]

    /// An empty remote.
    public init() {}

    /// What is there for a key at a moment.
    public func live(_ key: CacheKey, at now: Timestamp) -> Cell? {
        guard let cell = cells[key], cell.expiresAt.map({ $0 > now }) ?? true else { return nil }
        return cell
    }

    /// What a reader is given for a key at a moment.
    public func entry(_ key: CacheKey, at now: Timestamp) -> RemoteEntry? {
        guard let cell = live(key, at: now), let value = cell.value else { return nil }
        return RemoteEntry(value: value, remaining: cell.expiresAt.map { now.duration(to: $0) })
    }

    /// Weighs and applies the writes of a bucket.
    ///
    /// - Parameter now: the remote's own time, by which values end; the push's is the sender's idea of it.
    public mutating func push(_ push: BucketPush, at now: Timestamp) -> BucketAnswer {
        var bucket = buckets[push.bucket] ?? Bucket()
        let found = bucket.marks[push.node]
        let isShort = push.expectedMark > found ?? 0
        let isLost = isShort || push.recordsMayBeLost
        let verdicts = push.writes.map { write in
            weigh(write, &bucket, isLost: isLost, sent: push.now, now)
        }
        if !isShort { bucket.marks[push.node] = max(found ?? 0, push.mark) }
        if bucket != Bucket() { buckets[push.bucket] = bucket }
        return .weighed(mark: found, verdicts: verdicts)
    }

    private mutating func weigh(
        _ write: VersionedWrite, _ bucket: inout Bucket, isLost: Bool, sent: Timestamp, _ now: Timestamp
    ) -> Verdict {
        let record = bucket.records[write.key]
        if let record {
            if record.version == write.version {
                let known = [write.fingerprint] + write.base
                guard known.contains(record.fingerprint) else { return .clash }
                guard write.isRepair else { return .already }
                let cell = live(write.key, at: now)
                if let cell, cell.value == nil { return .failed(Self.wrongType) }
                let isThere = cell?.value.map {
                    !$0.isEmpty && Self.matches($0, [record.fingerprint, write.fingerprint])
                }
                let isBare = cell?.value?.isEmpty ?? true
                if write.isPut ? isThere == true : isBare { return .already }
            }
            if record.version > write.version { return .stale(record) }
        }
        let cell = live(write.key, at: now)
        if cell != nil, cell?.value == nil, write.asks(isLost: isLost, record) { return .failed(Self.wrongType) }
        let value = cell?.value.flatMap { $0.isEmpty ? nil : $0 }
        if write.isLate, !isLost {
            if let value {
                var known = write.base + [write.fingerprint]
                if let record, record.kind == .value { known.append(record.fingerprint) }
                if !Self.matches(value, known) {
                    if write.isResend { bucket.records[write.key] = write.record(write.isPut ? .value : .tombstone) }
                    return .foreign(Self.plainFingerprint(value))
                }
            } else if write.isPut, !write.acceptsAbsence, let record, record.kind == .value, record.expiresAt > sent {
                return .absent
            }
        }
        if write.isPut, write.isTooOld, record == nil {
            let isKnown = value.map { Self.matches($0, write.base + [write.fingerprint]) } ?? false
            if !isKnown { return .tooOld }
        }
        apply(write, &bucket, now)
        return .applied
    }

    private mutating func apply(
        _ write: VersionedWrite, _ bucket: inout Bucket, _ now: Timestamp
    ) {
        switch write.action {
        case .put(let bytes, let life):
            cells[write.key] = Cell(value: bytes, expiresAt: now.advanced(by: life))
            bucket.records[write.key] = write.record(.value)
        case .delete, .expire:
            cells[write.key] = nil
            bucket.records[write.key] = write.record(.tombstone)
        }
    }

    private static func plainFingerprint(_ value: [UInt8]) -> ValueFingerprint {
        (try? ValueFingerprint(of: value, form: .plain)) ?? .none
    }

    private static func matches(_ value: [UInt8], _ known: [ValueFingerprint]) -> Bool {
        if let tail = ValueFingerprint(bytes: value.suffix(16)), tail != .none, known.contains(tail) { return true }
        return known.contains(plainFingerprint(value))
    }

    private static var wrongType: CacheError {
        CacheError(.remoteRejected, "Redis refused the command (WRONGTYPE); the key holds a value of another type")
    }

    /// Removes records that ended.
    public mutating func sweep(bucket: Int, endedBefore time: Timestamp) -> Int {
        guard var swept = buckets[bucket] else { return 0 }
        let before = swept.records.count
        swept.records = swept.records.filter { $0.value.expiresAt >= time }
        buckets[bucket] = swept == Bucket() ? nil : swept
        return before - swept.records.count
    }
}

extension VersionedWrite {
    fileprivate var isPut: Bool { if case .put = action { true } else { false } }

    /// Whether weighing has to look at the value, where a value of another type fails the write.
    fileprivate func asks(isLost: Bool, _ record: RemoteRecord?) -> Bool {
        (isLate && !isLost) || (isPut && isTooOld && record == nil)
    }

    fileprivate func record(_ kind: RemoteRecord.Kind) -> RemoteRecord {
        RemoteRecord(version: version, kind: kind, fingerprint: fingerprint, expiresAt: recordExpiresAt)
    }
}
