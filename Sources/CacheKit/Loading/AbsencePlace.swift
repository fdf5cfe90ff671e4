import CacheKitCore

/// Where "there is no such value" is remembered: taken before the loader runs, so that a value which is written meanwhile is not
/// hidden.
///
/// It goes into the file as if it had been read from the remote, so it is never sent; into memory without a file, and where a
/// change stands in the file that has to stay, such as a delete that waits.
struct AbsencePlace: Sendable {
    private let cache: Cache
    private let key: CacheKey
    private let hash: Hash128
    private let ticket: MemoryTier.Shard.Ticket
    /// The change that the row stands under; `nil` for no row.
    private let expected: ChangeSequence?
    /// What stood there before: nothing older is to be shown after it.
    private let version: Version

    init(_ cache: Cache, _ key: CacheKey, _ hash: Hash128, isWanted: Bool) async throws(CacheError) {
        self.cache = cache
        self.key = key
        self.hash = hash
        ticket = cache.memory.shard(hash).ticket(hash)
        let row = isWanted ? try await cache.local?.read([key])[0] : nil
        expected = row?.sequence
        version = row?.version ?? .unknown
    }

    func keep(for ttl: Duration, mode: NamespaceMode, stamp: UInt64) async throws(CacheError) {
        guard ttl >= .milliseconds(1), ttl <= CacheConfiguration.maximumTTL else { throw .invalidTTL() }
        let now = cache.clock.now()
        // Orders it against removals, as a value's stamp does.
        var bytes: [UInt8] = []
        if stamp != 0 { bytes.append(bigEndian: stamp) }
        let change = LocalChange(
            key: key, value: bytes, form: .plain, mode: mode, expiresAt: now.advanced(by: ttl), isNegative: true)
        if let local = cache.local {
            let isKept = try await local.fill([RemoteFill(change: change, version: version, expected: expected)])[0]
            if isKept { return cache.memory.shard(hash).drop(hash, ticket: ticket) }
            // Another process may have written meanwhile.
            guard try await local.read([key])[0]?.sequence == expected else { return }
        }
        let entry = MemoryEntry(
            bytes: bytes, form: .plain, mode: mode, expiresAt: change.expiresAt, staleAt: change.staleAt,
            writtenAt: now, isNegative: true, sequence: expected ?? .zero)
        cache.memory.shard(hash).fill(hash, with: entry, ticket: ticket)
    }
}
