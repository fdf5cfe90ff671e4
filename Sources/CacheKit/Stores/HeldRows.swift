public import CacheKitCore

/// A row of a local store without its value: enough to tell whether the remote holds the same.
public struct HeldRow: Sendable {
    /// The key.
    public var key: CacheKey
    /// The change that put it here.
    public var sequence: ChangeSequence
    /// Its version.
    public var version: Version
    /// Of the value as the remote should hold it; ``ValueFingerprint/none`` for a tombstone, and where nobody noted it.
    public var fingerprint: ValueFingerprint
    /// Whether the value is sealed, so that its last bytes are its fingerprint.
    public var isSealed: Bool
    /// Bytes of the value as it lies in the store, perhaps some more than a read gives; 0 for a tombstone.
    public var byteCount: Int
    /// Whether this is a versioned delete.
    public var isTombstone: Bool
    /// Whether it says that there is no such value, which no remote is told of.
    public var isNegative: Bool
    /// When its life ends; for a tombstone, when it may be forgotten.
    public var staleAt: Timestamp

    /// A row with all its parts.
    public init(
        key: CacheKey, sequence: ChangeSequence, version: Version, fingerprint: ValueFingerprint, isSealed: Bool,
        byteCount: Int, isTombstone: Bool, isNegative: Bool = false, staleAt: Timestamp
    ) {
        self.key = key
        self.sequence = sequence
        self.version = version
        self.fingerprint = fingerprint
        self.isSealed = isSealed
        self.byteCount = byteCount
        self.isTombstone = isTombstone
        self.isNegative = isNegative
        self.staleAt = staleAt
    }
}

/// A page of a store's rows.
public struct HeldRows: Sendable {
    /// Rows whose change has an outcome.
    public var rows: [HeldRow] = []
    /// Rows left out because their change waits for the remote.
    public var pending = 0
    /// Rows left out because their change waits for a person.
    public var setAside = 0
    /// Rows that do not authenticate.
    public var unreadable = 0
    /// Where the next page begins; `nil` after the last one.
    public var next: RowCursor?

    /// An empty page.
    public init() {}
}
