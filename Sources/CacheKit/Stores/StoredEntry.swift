public import CacheKitCore

/// Number of a change in one local store: unique, always growing, never reused.
public struct ChangeSequence: Hashable, Comparable, Sendable {
    /// The number; the first change has 1.
    public let number: UInt64

    /// A sequence number; 0 is before every change.
    public init(_ number: UInt64) {
        self.number = number
    }

    /// Before every change.
    public static let zero = ChangeSequence(0)

    /// Earlier or not.
    public static func < (left: ChangeSequence, right: ChangeSequence) -> Bool {
        left.number < right.number
    }
}

/// How the bytes of a namespace are laid out (protocol section 1).
public enum NamespaceMode: UInt8, Sendable {
    /// A bare MessagePack document that every CacheKit SDK reads.
    case interop = 1
    /// A ByteStorage envelope over a MessagePack document; read by this SDK only.
    case native = 2

    /// The `compressed` token of the associated data: whether an envelope lies under the seal.
    public var isCompressed: Bool { self == .native }
}

/// Whether the bytes that Redis holds are sealed.
public enum ValueForm: Hashable, Sendable {
    /// Readable by whoever reads Redis; a local store seals them itself.
    case plain
    /// Sealed under the tenant's key with this fingerprint.
    case sealed(KeyFingerprint)
}

/// Where the bytes of an entry came from.
public enum EntryOrigin: UInt8, Sendable {
    /// Written on this node.
    case local = 0
    /// Read from the remote store.
    case remote = 1
}

/// What a local store holds for a key.
public struct StoredEntry: Sendable {
    /// The bytes that Redis holds or will hold; `nil` is a tombstone.
    public var value: [UInt8]?
    /// Whether `value` is sealed, and under which key; `.plain` for a tombstone.
    public var form: ValueForm
    /// How `value` is laid out.
    public var mode: NamespaceMode
    /// Says which of two writes is newer.
    public var version: Version
    /// The change that put it here.
    public var sequence: ChangeSequence
    /// Written here or read from the remote.
    public var origin: EntryOrigin
    /// When it is no longer kept; for a tombstone, when it may be forgotten.
    public var expiresAt: Timestamp
    /// When its life ends, here and at the remote: at or before `expiresAt`, and between the two it is a stale value.
    public var staleAt: Timestamp
    /// Values, beside this one, that the remote is known to hold perhaps: the last one acknowledged or read, and one that may
    /// have been sent since.
    public var base: [ValueFingerprint]
    /// Whether somebody decided that it is sent however old it is: it is not set aside for its age again.
    public var isSentAtAnyAge: Bool
    /// Whether its life begins when it is first sent, however long that takes: its time may be over here, and is not there.
    public var isKeptUntilSent = false
    /// Whether it says that there is no such value: a negative result, which no remote is told of. `value` then has
    /// nothing but 8 bytes that order it against removals, or is empty.
    public var isNegative: Bool
    /// Bytes of a value that whoever opened the store has no key for; `value` is empty then, and says nothing. `nil` else.
    public var withheldByteCount: Int?

    /// An entry with all its parts.
    public init(
        value: [UInt8]?, form: ValueForm, mode: NamespaceMode, version: Version, sequence: ChangeSequence,
        origin: EntryOrigin, expiresAt: Timestamp, staleAt: Timestamp, base: [ValueFingerprint] = [],
        isSentAtAnyAge: Bool = false, isNegative: Bool = false, withheldByteCount: Int? = nil
    ) {
        self.value = value
        self.form = form
        self.mode = mode
        self.version = version
        self.sequence = sequence
        self.origin = origin
        self.expiresAt = expiresAt
        self.staleAt = staleAt
        self.base = base
        self.isSentAtAnyAge = isSentAtAnyAge
        self.isNegative = isNegative
        self.withheldByteCount = withheldByteCount
    }

    /// Whether there is a value, and no key to open it.
    public var needsKey: Bool { withheldByteCount != nil }

    /// Whether this is a versioned delete.
    public var isTombstone: Bool { value == nil }

    /// Moves the end of its life, and how long it is kept, to another time.
    public mutating func move(by difference: Duration) {
        staleAt = staleAt.advanced(by: difference)
        expiresAt = expiresAt.advanced(by: difference)
    }
}

/// A put or delete that a caller wants committed.
public struct LocalChange: Sendable {
    /// The key.
    public var key: CacheKey
    /// The bytes for Redis; `nil` deletes.
    public var value: [UInt8]?
    /// Whether `value` is sealed, and under which key.
    public var form: ValueForm
    /// How `value` is laid out.
    public var mode: NamespaceMode
    /// When the value is no longer kept; for a delete, when its tombstone may be forgotten.
    public var expiresAt: Timestamp
    /// When the value's life ends; `expiresAt` where nothing else is said.
    public var staleAt: Timestamp
    /// Whether this is a negative result: `value` is empty, and only a ``RemoteFill`` may say it.
    public var isNegative: Bool
    /// The change that the row has to stand under, or nothing is changed; `nil` for whatever stands there.
    public var expected: ChangeSequence?

    /// A put, or with a `nil` value a delete.
    public init(
        key: CacheKey, value: [UInt8]?, form: ValueForm, mode: NamespaceMode, expiresAt: Timestamp,
        staleAt: Timestamp? = nil, isNegative: Bool = false, expected: ChangeSequence? = nil
    ) {
        self.key = key
        self.value = value
        self.form = form
        self.mode = mode
        self.expiresAt = expiresAt
        self.staleAt = staleAt ?? expiresAt
        self.isNegative = isNegative
        self.expected = expected
    }
}

/// What was read from the remote store and may be kept here.
public struct RemoteFill: Sendable {
    /// Key, bytes and expiry, as for a write made here; without a value, that nothing is there.
    public var change: LocalChange
    /// Its version, as the remote's record says; ``Version/unknown`` for a value that somebody without versions wrote.
    public var version: Version
    /// The sequence that the row had before the remote was asked; `nil` if there was none. The fill is stored only if
    /// that still holds and the row is synchronised.
    public var expected: ChangeSequence?

    /// Something from the remote, on condition.
    public init(change: LocalChange, version: Version = .unknown, expected: ChangeSequence?) {
        self.change = change
        self.version = version
        self.expected = expected
    }
}

/// One element of the feed: a key with what stands under its latest change.
public struct Change: Sendable {
    /// The key.
    public var key: CacheKey
    /// What the store holds for it now.
    public var entry: StoredEntry

    /// A change of a key.
    public init(key: CacheKey, entry: StoredEntry) {
        self.key = key
        self.entry = entry
    }
}
