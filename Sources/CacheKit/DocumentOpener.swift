public import CacheKitCore

/// Opens and decodes rows of a local store without a cache: for what reads a file that no cache opens any more.
public struct DocumentOpener: Sendable {
    let sealer: ValueSealer

    /// Takes the encryption and tenant that the rows were written with.
    public init(_ encryption: Encryption, tenant: String) throws(CacheError) {
        sealer = try ValueSealer(encryption.choice, encryption.keys(), tenant: tenant, maximumValueBytes: .max)
    }

    /// The document of a row; `nil` for a delete, a negative result, what tells of a removal, and what was removed.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed``, ``CacheError/Code/invalidEnvelope``, ``CacheError/Code/decoding``.
    public func document(
        of change: Change, unless removals: HeldRemovals = HeldRemovals()
    ) throws(CacheError) -> MessagePackValue? {
        guard !change.key.isMarker, let stored = MemoryEntry(change.entry), !stored.isNegative else { return nil }
        let (document, attributes) = try sealer.opened(stored, key: change.key)
        guard stored.mode != .native || !removals.removes(change.key, attributes) else { return nil }
        return try ValueCodec<MessagePackValue>.document.decode(document)
    }
}
