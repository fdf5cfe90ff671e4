import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct MemoryTierTests {
    private func tier(bytes: Int, shards: Int) -> MemoryTier {
        var configuration = MemoryConfiguration()
        configuration.maximumBytes = bytes
        configuration.shards = shards
        return MemoryTier(configuration, minimumShardBytes: 1000)
    }

    private let entry = MemoryEntry(
        bytes: [1], form: .plain, mode: .native, expiresAt: Timestamp(milliseconds: 10),
        staleAt: Timestamp(milliseconds: 10), writtenAt: .zero, sequence: .zero)

    @Test(arguments: [1, 3, 16, 17])
    func `the whole tier keeps to its bound, however many shards`(shards: Int) {
        let tier = tier(bytes: 100_000, shards: shards)
        var random = SeededRandom(seed: 31)
        for _ in 0..<5000 {
            let hash = Hash128(low: random.next(), high: random.next())
            tier.shard(hash).put(hash, entry)
        }
        #expect(tier.statistics.bytes <= 100_000)
        #expect(tier.statistics.bytes > 50_000)
        #expect(tier.statistics.entries + tier.statistics.evictions == 5000)
    }

    @Test(arguments: [(3220, 1), (1 << 20, 1), (3 << 20, 2), (16 << 20, 16), (64 << 20, 16), (1 << 40, 16)])
    func `a tier with few bytes has few shards`(bytes: Int, shards: Int) {
        var configuration = MemoryConfiguration()
        configuration.maximumBytes = bytes
        let tier = MemoryTier(configuration)
        let hashes = (0..<UInt64(4096)).map { Hash128(low: $0 << 32, high: $0 / 64) }
        #expect(Set(hashes.map { tier.stripe($0) }).count == shards * 64)
        #expect(configuration.shardBytes == bytes / shards)
    }

    @Test func `keys of one stripe share their ticket, keys of others do not`() {
        let tier = tier(bytes: 100_000, shards: 4)
        let hashes = (0..<UInt64(2000)).map { Hash128(low: $0 << 32, high: $0 / 64) }
        for hash in hashes.dropFirst() where tier.stripe(hash) != tier.stripe(hashes[0]) {
            let ticket = tier.shard(hashes[0]).ticket(hashes[0])
            tier.shard(hash).put(hash, entry)
            #expect(tier.shard(hashes[0]).ticket(hashes[0]) == ticket)
        }
        #expect(Set(hashes.map { tier.stripe($0) }).count == 4 * 64)
    }

    @Test func `an emptied tier holds nothing, takes no fill of a read from before, and goes on`() {
        let tier = tier(bytes: 100_000, shards: 4)
        let hashes = (0..<UInt64(500)).map { Hash128(low: $0 << 32, high: $0) }
        let now = Timestamp(milliseconds: 1)
        for hash in hashes { tier.shard(hash).put(hash, entry) }
        let tickets = hashes.map { tier.shard($0).ticket($0) }
        tier.removeAll()
        #expect(tier.statistics.entries == 0 && tier.statistics.bytes == 0)
        for (hash, ticket) in zip(hashes, tickets) {
            tier.shard(hash).fill(hash, with: entry, ticket: ticket, at: .zero)
        }
        #expect(hashes.allSatisfy { tier.entry($0, now: now) == nil })
        for hash in hashes {
            tier.shard(hash).fill(hash, with: entry, ticket: tier.shard(hash).ticket(hash), at: .zero)
        }
        #expect(hashes.allSatisfy { tier.entry($0, now: now) != nil })
    }

    @Test func `a closed tier holds nothing`() {
        let tier = tier(bytes: 100_000, shards: 4)
        let hash = Hash128(low: 1, high: 1)
        tier.shard(hash).put(hash, entry)
        tier.close()
        #expect(tier.statistics.entries == 0)
        #expect(tier.statistics.bytes == 0)
    }
}
