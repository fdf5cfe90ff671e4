import CacheKitCore

/// An entry as the memory tier holds it: the bytes that Redis would hold, sealed in a secure cache.
public struct MemoryEntry: Sendable {
    /// The bytes that Redis would hold.
    @usableFromInline let content: EntryBytes
    /// Whether they are sealed, and under which key.
    public var form: ValueForm
    /// How they are laid out.
    public var mode: NamespaceMode
    /// When the entry is no longer kept.
    public var expiresAt: Timestamp
    /// When its life ends; until `expiresAt` it is stale.
    public var staleAt: Timestamp
    /// When it was written or renewed; where nobody knows that, when memory was filled with it, and zero before that.
    public var writtenAt: Timestamp
    /// Whether `writtenAt` is when it was written or renewed.
    public var isWriteTimeKnown: Bool
    /// Whether it says that there is no such value; `bytes` are empty then.
    public var isNegative: Bool
    /// The change it came from; orders two writes of a key in this process.
    public var sequence: ChangeSequence

    init(
        bytes: [UInt8], form: ValueForm, mode: NamespaceMode, expiresAt: Timestamp, staleAt: Timestamp,
        writtenAt: Timestamp, isNegative: Bool = false, sequence: ChangeSequence
    ) {
        self.init(
            content: EntryBytes(bytes), form: form, mode: mode, expiresAt: expiresAt, staleAt: staleAt,
            writtenAt: writtenAt, isWriteTimeKnown: writtenAt != .zero, isNegative: isNegative, sequence: sequence)
    }

    init(
        content: EntryBytes, form: ValueForm, mode: NamespaceMode, expiresAt: Timestamp, staleAt: Timestamp,
        writtenAt: Timestamp, isWriteTimeKnown: Bool, isNegative: Bool, sequence: ChangeSequence
    ) {
        self.content = content
        self.form = form
        self.mode = mode
        self.expiresAt = expiresAt
        self.staleAt = staleAt
        self.writtenAt = writtenAt
        self.isWriteTimeKnown = isWriteTimeKnown
        self.isNegative = isNegative
        self.sequence = sequence
    }

    /// The bytes that Redis would hold, copied.
    public var bytes: [UInt8] { content.lend { Array($0) } }

    /// How many there are.
    @inlinable public var byteCount: Int { content.count }

    /// The entry of a stored row; `nil` for a tombstone.
    init?(_ stored: StoredEntry) {
        guard let value = stored.value else { return nil }
        self.init(
            bytes: value, form: stored.form, mode: stored.mode, expiresAt: stored.expiresAt, staleAt: stored.staleAt,
            writtenAt: stored.version.writtenAt, isNegative: stored.isNegative, sequence: stored.sequence)
    }

    /// What an entry counts against the bound of the tier: its bytes and about what the table needs for it.
    var charge: Int { Self.charge(byteCount: byteCount) }

    static func charge(byteCount: Int) -> Int { byteCount + 160 }
}
