public import CacheKitCore

/// A write that the remote weighs against what it holds.
public struct VersionedWrite: Sendable {
    /// What to do with the key.
    public enum Action: Sendable {
        /// Stores a value for what is left of its life; at least one millisecond.
        case put([UInt8], timeToLive: Duration)
        /// Deletes the key and leaves a tombstone.
        case delete
        /// A put whose life was over before it was sent: deletes what it would have replaced, and leaves a tombstone with its
        /// fingerprint.
        case expire
    }

    /// The key.
    public var key: CacheKey
    /// What to do.
    public var action: Action
    /// The version of the change.
    public var version: Version
    /// Of the value; ``ValueFingerprint/none`` unless a value is stored.
    public var fingerprint: ValueFingerprint
    /// Values that this node knows the remote may hold: at most two.
    public var base: [ValueFingerprint]
    /// Stamped long ago or while disconnected: it asks who wrote before.
    public var isLate: Bool
    /// Older than tombstones are kept: a put is not applied where no record tells the key's history.
    public var isTooOld: Bool
    /// Whether a late put is written where the value that it would replace is gone before its time.
    public var acceptsAbsence: Bool
    /// Whether it had its outcome before and is sent again: where a foreign value is, that stays, and only the record is
    /// written.
    public var isResend: Bool
    /// Whether it mends what the remote holds: that the record has its version is not enough then, the value has to be as the
    /// record says, too.
    public var isRepair: Bool
    /// What the record says of the end: of the value's life, or of a tombstone's.
    public var recordExpiresAt: Timestamp

    /// A write with all its parts.
    public init(
        key: CacheKey, action: Action, version: Version, fingerprint: ValueFingerprint, base: [ValueFingerprint],
        isLate: Bool, isTooOld: Bool, acceptsAbsence: Bool, isResend: Bool,
        isRepair: Bool = false, recordExpiresAt: Timestamp
    ) {
        self.key = key
        self.action = action
        self.version = version
        self.fingerprint = fingerprint
        self.base = base
        self.isLate = isLate
        self.isTooOld = isTooOld
        self.acceptsAbsence = acceptsAbsence
        self.isResend = isResend
        self.isRepair = isRepair
        self.recordExpiresAt = recordExpiresAt
    }
}

/// Writes of one bucket, weighed and applied in one step.
public struct BucketPush: Sendable {
    /// The bucket that every key lies in.
    public var bucket: Int
    /// The writes; a key stands once.
    public var writes: [VersionedWrite]
    /// Whose mark is read and moved.
    public var node: UInt64
    /// The least mark that the bucket should have; 0 where nothing is expected. A bucket with a lower one, or none, has lost
    /// something: its mark stays as it is, and no value in it counts as foreign. To the remote a mark is a number.
    public var expectedMark: UInt64
    /// The mark afterwards, unless it is higher already.
    public var mark: UInt64
    /// Whether the sender knows that records of the bucket may be lost: no value in it counts as foreign.
    public var recordsMayBeLost: Bool
    /// The moment of sending in the remote's time.
    public var now: Timestamp

    /// Writes of one bucket.
    public init(
        bucket: Int, writes: [VersionedWrite], node: UInt64, expectedMark: UInt64, mark: UInt64, recordsMayBeLost: Bool,
        now: Timestamp
    ) {
        self.bucket = bucket
        self.writes = writes
        self.node = node
        self.expectedMark = expectedMark
        self.mark = mark
        self.recordsMayBeLost = recordsMayBeLost
        self.now = now
    }
}

/// What the remote decided about one write.
public enum Verdict: Sendable {
    /// It took effect.
    case applied
    /// It had taken effect before.
    case already
    /// Another change has the same version: this node's file is a copy.
    case clash
    /// A newer version is there.
    case stale(RemoteRecord)
    /// Late, and somebody without versions wrote meanwhile; what is there has this fingerprint, as of a plain value.
    case foreign(ValueFingerprint)
    /// Late, and the value that was there is gone before its time: evicted, or deleted by somebody without versions.
    case absent
    /// Too old to tell whether the key was deleted since.
    case tooOld
    /// Refused, or not known; others of the bucket are not affected.
    case failed(CacheError)
}

/// What came of a ``BucketPush``.
public enum BucketAnswer: Sendable {
    /// The mark found, `nil` if there was none, and one verdict for each write.
    case weighed(mark: UInt64?, verdicts: [Verdict])
    /// It was refused as a whole, not sent, or nobody knows (``CacheError/Code/mayHaveBeenApplied``).
    case failed(CacheError)
}
