import CacheKitCore
import Logging

/// Where "there is no such value" is remembered, for each of some keys: taken before the loader runs, so that a value which is
/// written meanwhile is not hidden. One round trip to the file for all.
///
/// It goes into the file as if it had been read from the remote, so it is never sent; into memory without a file, and where a
/// change stands in the file that has to stay, such as a delete that waits.
struct AbsencePlaces: Sendable {
    private struct Place: Sendable {
        let key: CacheKey
        let hash: Hash128
        let ticket: MemoryTier.Shard.Ticket
        /// What memory had: tickets are of many keys, and a write of another one must not let it stay.
        let held: MemoryEntry?
        /// The key's own mark: what was written since may be the same bytes.
        let writeMark: UInt32
        /// The change that the row stands under; `nil` for no row.
        var expected: ChangeSequence?
        /// What stood there before: nothing older is to be shown after it.
        var version = Version.unknown
        /// Whether the row has a value that may still be served.
        var holdsValue = false
    }

    private let cache: Cache
    private let policy: NamespacePolicy
    private var places: [Place]

    /// The shortest life there is.
    private static let moment = Duration.milliseconds(1)

    init(_ cache: Cache, _ keys: [CacheKey], policy: NamespacePolicy, isWanted: Bool) async throws(CacheError) {
        self.cache = cache
        self.policy = policy
        let now = cache.clock.now()
        places = keys.map { key in
            let hash = Hash128(key)
            let shard = cache.memory.shard(hash)
            let held = isWanted ? shard.unverifiedEntry(hash, now: now) ?? shard.staleEntry(hash, now: now) : nil
            return Place(
                key: key, hash: hash, ticket: shard.ticket(hash), held: held, writeMark: cache.writeMarks.mark(of: hash)
            )
        }
        guard isWanted, let local = cache.local else { return }
        for (position, row) in try await local.read(keys).enumerated() {
            guard let row else { continue }
            places[position].expected = row.sequence
            places[position].version = row.version
            places[position].holdsValue = row.value != nil && !row.isNegative && row.expiresAt > now
        }
    }

    /// Remembers it for some of the keys; without a time only lets go of what they had, where that would still be served.
    ///
    /// - Parameter stamp: Orders it against removals, as a value's does.
    func remember(_ positions: [Int], for ttl: Duration?, stamp: UInt64) async {
        guard !positions.isEmpty else { return }
        do {
            if let ttl {
                try await keep(positions, for: ttl, stamp: stamp)
            } else if policy.loading.servesOld {
                try await letGo(positions)
            }
        } catch {
            // They are loaded again, that is all.
            cache.counters.storeFailures.count(positions.count)
            cache.configuration.logger.warning(
                "that values do not exist was not remembered",
                metadata: [
                    "key": "\(cache.keyHasher.hash(places[positions[0]].key))", "keys": "\(positions.count)",
                    "error": "\(error)",
                ])
        }
    }

    private func keep(_ positions: [Int], for ttl: Duration, stamp: UInt64) async throws(CacheError) {
        guard ttl >= Self.moment, ttl <= CacheConfiguration.maximumTTL else { throw .invalidTTL() }
        let now = cache.clock.now()
        var bytes: [UInt8] = []
        if stamp != 0 { bytes.append(bigEndian: stamp) }
        for place in try await keepInFile(positions.map { places[$0] }, bytes, until: now.advanced(by: ttl)) {
            let entry = MemoryEntry(
                bytes: bytes, form: .plain, mode: policy.mode, expiresAt: now.advanced(by: ttl),
                staleAt: now.advanced(by: ttl), writtenAt: now, isNegative: true, sequence: place.expected ?? .zero)
            cache.memory.shard(place.hash).fill(
                place.hash, with: entry, ticket: place.ticket, at: now, inPlaceOf: former(place))
        }
    }

    /// Gives those that have to be remembered in memory.
    private func keepInFile(
        _ places: [Place], _ bytes: [UInt8], until end: Timestamp
    ) async throws(CacheError) -> [Place] {
        guard let local = cache.local else { return places }
        let fills = places.map { place in
            let change = LocalChange(
                key: place.key, value: bytes, form: .plain, mode: policy.mode, expiresAt: end, isNegative: true)
            return RemoteFill(change: change, version: place.version, expected: place.expected)
        }
        var others: [Place] = []
        for (place, isKept) in zip(places, try await local.fill(fills)) {
            if isKept { drop(place) } else { others.append(place) }
        }
        guard !others.isEmpty else { return [] }
        // Another process may have written meanwhile.
        let rows = try await local.read(others.map(\.key))
        return zip(others, rows).filter { $0.expected == $1?.sequence }.map(\.0)
    }

    /// A value that its loader says is no more is not served for its windows. One that waits to be sent stays, and so
    /// does whatever was written to a file without a remote, which counts as such.
    private func letGo(_ positions: [Int]) async throws(CacheError) {
        for position in positions { drop(places[position]) }
        let held = positions.filter { places[$0].holdsValue }
        guard !held.isEmpty else { return }
        // Over at once, and then the remote is asked again. Never as a delete, which a file that is given to a remote would send.
        try await keep(held, for: Self.moment, stamp: 0)
    }

    private func drop(_ place: Place) {
        let shard = cache.memory.shard(place.hash)
        shard.drop(place.hash, ticket: place.ticket)
        if let former = former(place) { shard.drop(place.hash, former) }
    }

    /// What memory had, unless the key was written since.
    private func former(_ place: Place) -> MemoryEntry? {
        cache.writeMarks.stands(place.hash, place.writeMark) ? place.held : nil
    }
}
