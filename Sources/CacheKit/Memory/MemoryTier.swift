import CacheKitCore

/// The first tier: sealed bytes in this process, in independently locked shards, bounded in bytes.
///
/// Coherence with the tiers below rests on tickets. A read takes one before it asks a lower tier and fills only if the
/// outcome of no write of the key (more exactly: of its stripe of keys) became known since, so a slow reader can never put
/// an older value over a newer one, nor bring a deleted one back. Writes that a local store has numbered are ordered by that
/// number. Writes straight to a remote are not, so of those that overlap none is kept.
struct MemoryTier: Sendable {
    typealias Shard = MemoryShard<AdaptiveOrder>

    private let shards: [Shard]
    /// The same shards, for the hit path: reaching one through these costs no reference counting. `shards` keeps them.
    private let references: [Unmanaged<Shard>]
    private let mask: Int

    /// A tier of at most `maximumBytes` over a power of two of shards, none smaller than `minimumShardBytes` unless it is the
    /// only one: what is known of few entries decides badly which of them go.
    init(_ configuration: MemoryConfiguration, minimumShardBytes: Int = MemoryConfiguration.minimumShardBytes) {
        let count = configuration.shardCount(minimumShardBytes: minimumShardBytes)
        shards = (0..<count).map { _ in Shard(maximumBytes: configuration.maximumBytes / count) }
        references = shards.map { Unmanaged.passUnretained($0) }
        mask = count - 1
    }

    /// The live entry of a key, counted as hit or miss unless a caller looks a second time.
    @inline(__always)
    func entry(_ hash: Hash128, now: Timestamp, isCounted: Bool = true) -> MemoryEntry? {
        references[Int(truncatingIfNeeded: hash.high) & mask]._withUnsafeGuaranteedRef {
            $0.entry(hash, now: now, isCounted: isCounted)
        }
    }

    @inline(__always)
    func shard(_ hash: Hash128) -> Shard { shards[index(hash)] }

    /// Which stripe of the whole tier a key is in: keys of one stripe share their tickets.
    func stripe(_ hash: Hash128) -> Int { index(hash) * Shard.stripeCount + Shard.stripe(hash) }

    @inline(__always)
    private func index(_ hash: Hash128) -> Int { Int(truncatingIfNeeded: hash.high) & mask }

    /// Drops everything.
    func removeAll() {
        for shard in shards { shard.removeAll() }
    }

    /// Holds everything back until it was read from a lower tier once.
    func unverifyAll() {
        for shard in shards { shard.unverifyAll() }
    }

    /// Drops everything and keeps nothing from now on.
    func close() {
        for shard in shards { shard.close() }
    }

    var statistics: MemoryStatistics {
        shards.reduce(into: MemoryStatistics()) { $0.add($1.statistics) }
    }
}

/// How the memory tier is built.
public struct MemoryConfiguration: Sendable {
    /// Bytes of entries, bookkeeping included. Default 64 MiB; 0 keeps nothing in memory.
    public var maximumBytes: Int = 64 << 20
    /// The most independently locked parts, rounded up to a power of two. Default 16, at most 1,024. There are fewer where
    /// one would have less than 1 MiB; reads do not wait for each other in any case. An entry larger than a part is not kept
    /// in memory.
    public var shards: Int = 16

    /// The defaults.
    public init() {}

    static let minimumShardBytes = 1 << 20

    /// Bytes of each part, that is, of the largest entry that is kept in memory.
    public var shardBytes: Int { maximumBytes / shardCount(minimumShardBytes: Self.minimumShardBytes) }

    func shardCount(minimumShardBytes: Int) -> Int {
        var count = 1
        while count < shards, maximumBytes / (count * 2) >= minimumShardBytes { count *= 2 }
        return count
    }
}

/// What the memory tier holds and has done.
public struct MemoryStatistics: Sendable, Equatable {
    /// Entries held, expired ones that nobody read since included.
    public var entries = 0
    /// Bytes of entries, bookkeeping included.
    public var bytes = 0
    /// Reads answered.
    public var hits = 0
    /// Reads not answered.
    public var misses = 0
    /// Entries removed for space.
    public var evictions = 0
    /// Entries removed for time.
    public var expirations = 0

    mutating func add(_ other: MemoryStatistics) {
        entries += other.entries
        bytes += other.bytes
        hits += other.hits
        misses += other.misses
        evictions += other.evictions
        expirations += other.expirations
    }
}
