public import CacheKitCore

/// Opens and decodes rows of a local store without a cache: for what reads a file that no cache opens any more.
public struct DocumentOpener: Sendable {
    private let sealer: ValueSealer

    /// Takes the encryption and tenant that the rows were written with.
    public init(_ encryption: Encryption, tenant: String) throws(CacheError) {
        sealer = try ValueSealer(encryption.choice, encryption.keys(), tenant: tenant, maximumValueBytes: .max)
    }

    /// The document of a row; `nil` for a delete.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed``, ``CacheError/Code/invalidEnvelope``, ``CacheError/Code/decoding``.
    public func document(of change: Change) throws(CacheError) -> MessagePackValue? {
        guard let stored = MemoryEntry(change.entry), !stored.isNegative else { return nil }
        return try ValueCodec<MessagePackValue>.document.decode(sealer.document(of: stored, key: change.key))
    }
}
