public import CacheKitCore

/// Where a walk over a store's rows goes on; only the store that gave it knows what it means.
public struct RowCursor: Sendable, Equatable {
    /// Which part of the store.
    public var part: UInt8
    /// Where in it: everything up to here was looked at.
    public var position: Int64

    /// A place in a store.
    public init(part: UInt8, position: Int64) {
        self.part = part
        self.position = position
    }
}

/// One step of the search for values that an older key sealed.
public struct ResealStep: Sendable {
    /// Rows that may be sealed anew: what became of their change is settled.
    public var rows: [Change] = []
    /// Rows looked at.
    public var scanned = 0
    /// Rows under an older key whose change waits for the remote or for a person.
    public var waiting = 0
    /// Rows that do not authenticate.
    public var unreadable = 0
    /// Where the next step begins; `nil` after the last one.
    public var next: RowCursor?

    /// Nothing found.
    public init() {}
}

/// The value of a row under another key of the tenant, on condition.
public struct ResealedValue: Sendable {
    /// The key.
    public var key: CacheKey
    /// The same document, sealed anew with the same associated data.
    public var value: [UInt8]
    /// The key that sealed it.
    public var fingerprint: KeyFingerprint
    /// The sequence that the row had when its value was read.
    public var expected: ChangeSequence

    /// A value to put in the place of the same one under an older key.
    public init(key: CacheKey, value: [UInt8], fingerprint: KeyFingerprint, expected: ChangeSequence) {
        self.key = key
        self.value = value
        self.fingerprint = fingerprint
        self.expected = expected
    }
}
