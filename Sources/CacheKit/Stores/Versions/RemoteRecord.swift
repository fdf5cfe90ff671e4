/// What the remote keeps beside a key about the last versioned write of it.
public struct RemoteRecord: Hashable, Sendable {
    /// What that write did.
    public enum Kind: UInt8, Sendable {
        /// It stored a value.
        case value = 1
        /// It deleted the key.
        case tombstone = 2
    }

    /// The version of the write.
    public var version: Version
    /// What it did.
    public var kind: Kind
    /// Of its value; ``ValueFingerprint/none`` for a tombstone.
    public var fingerprint: ValueFingerprint
    /// When the value's life ends; for a tombstone, when it may be forgotten.
    public var expiresAt: Timestamp

    /// A record with all its parts.
    public init(version: Version, kind: Kind, fingerprint: ValueFingerprint, expiresAt: Timestamp) {
        self.version = version
        self.kind = kind
        self.fingerprint = fingerprint
        self.expiresAt = expiresAt
    }
}

extension RemoteRecord {
    /// The version of a delete. What expired before it was sent has the fingerprint of a value: only whoever wrote it can send that
    /// again, so others keep where it stands in the order, and no version.
    var versionOfDelete: Version { fingerprint == .none ? version : version.floor }
}

/// What the remote holds for a key, read at one moment.
public struct RemoteView: Sendable {
    /// Value and remaining life; `nil` if there is none.
    public var entry: RemoteEntry?
    /// The record beside it; `nil` if there is none.
    public var record: RemoteRecord?
    /// Whether the key holds something that is no value, which no write of a value or record can be weighed against.
    public var isOfOtherType: Bool

    /// The version of what is there; ``Version/unknown`` where somebody without versions wrote it, and where a value is missing.
    public var version: Version {
        guard let record else { return .unknown }
        guard let entry else { return record.kind == .tombstone ? record.versionOfDelete : .unknown }
        return record.kind == .value && record.fingerprint.isOf(entry.value) ? record.version : .unknown
    }

    /// What the remote holds for a key.
    public init(entry: RemoteEntry?, record: RemoteRecord?, isOfOtherType: Bool = false) {
        self.entry = entry
        self.record = record
        self.isOfOtherType = isOfOtherType
    }
}

/// What tells, without the value, whether a sealed value is still the one that is known.
public struct RemoteGlance: Sendable, Equatable {
    /// The last 16 bytes of the value, as a fingerprint; `nil` if there is none, or a shorter one.
    public var tail: ValueFingerprint?
    /// Remaining life; `nil` if it has no expiry. Of the same value only if nobody wrote in between.
    public var remaining: Duration?

    /// What tells one value from another.
    public init(tail: ValueFingerprint?, remaining: Duration?) {
        self.tail = tail
        self.remaining = remaining
    }
}

/// What tells, without the value, which version of a key the remote has.
public struct RemoteTrace: Sendable, Equatable {
    /// The last 16 bytes of the value, as a fingerprint; `nil` if there is none, or a shorter one.
    public var tail: ValueFingerprint?
    /// Whether there is a value at all.
    public var hasValue: Bool
    /// The record beside it; `nil` if there is none.
    public var record: RemoteRecord?

    /// What tells one version from another.
    public init(tail: ValueFingerprint?, hasValue: Bool, record: RemoteRecord?) {
        self.tail = tail
        self.hasValue = hasValue
        self.record = record
    }
}
