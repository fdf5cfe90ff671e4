public import CacheKitCore

/// One row of the local store, as operators see it.
public struct LocalEntry: Sendable {
    /// The key.
    public var key: CacheKey
    /// The change it stands under; where the next page starts.
    public var sequence: ChangeSequence
    /// How its bytes are laid out.
    public var mode: NamespaceMode
    /// Written here or read from the remote.
    public var origin: EntryOrigin
    /// When its life ends; for a delete, when it may be forgotten.
    public var expiresAt: Timestamp
    /// Bytes as stored; 0 for a delete.
    public var byteCount: Int
    /// Whether this is a delete.
    public var isTombstone: Bool
    /// Whether it only says that there is no such value.
    public var isNegative: Bool
    let row: StoredEntry
}

extension Cache {
    /// Rows of the local store in order of change, at most `limit`; start with `.zero` and go on from the last `sequence`.
    /// Markers of removals are left out.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without a local store.
    public func localEntries(after: ChangeSequence, limit: Int) async throws(CacheError) -> [LocalEntry] {
        try lifecycle.requireOpen()
        guard let local else { throw Self.nothingToList }
        var changes: [Change] = []
        var position = after
        repeat {
            let page = try await local.changes(after: position, origin: nil, limit: limit, byteLimit: 4 << 20)
            guard let last = page.last else { break }
            position = last.entry.sequence
            // A page of nothing but removals' markers is not the end.
            changes = page.filter { !$0.key.isMarker }
        } while changes.isEmpty && limit > 0
        return changes.map { change in
            LocalEntry(
                key: change.key, sequence: change.entry.sequence, mode: change.entry.mode, origin: change.entry.origin,
                expiresAt: change.entry.staleAt,
                byteCount: change.entry.withheldByteCount ?? change.entry.value?.count ?? 0,
                isTombstone: change.entry.isTombstone, isNegative: change.entry.isNegative, row: change.entry)
        }
    }

    static var nothingToList: CacheError {
        CacheError(.invalidConfiguration, "this cache has no local store to list; give it a file")
    }

    /// Opens and decodes a listed row; `nil` for a delete and a negative result.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed``, ``CacheError/Code/invalidEnvelope``, ``CacheError/Code/decoding``.
    public func document(of entry: LocalEntry) throws(CacheError) -> MessagePackValue? {
        guard let stored = MemoryEntry(entry.row), !stored.isNegative else { return nil }
        return try ValueCodec<MessagePackValue>.document.decode(sealer.document(of: stored, key: entry.key))
    }

    /// What the local store holds; `nil` without one.
    public func localStatistics() async throws(CacheError) -> LocalStoreStatistics? {
        try await local?.statistics()
    }
}
