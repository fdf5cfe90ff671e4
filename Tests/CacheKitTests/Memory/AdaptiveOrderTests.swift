import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct AdaptiveOrderTests {
    /// A shard of so many entries of one size that is filled on every miss.
    private struct Replay {
        static let expiresAt = Timestamp(milliseconds: 1000)

        let shard: MemoryShard<AdaptiveOrder>
        private let entry = MemoryEntry(
            bytes: [1], form: .plain, mode: .native, expiresAt: expiresAt, staleAt: expiresAt, writtenAt: .zero,
            sequence: .zero)

        init(entries: Int) {
            shard = MemoryShard(maximumBytes: entries * entry.charge)
        }

        func holds(_ key: Int) -> Bool {
            shard.unverifiedEntry(hash(key), now: Timestamp(milliseconds: 0)) != nil
        }

        @discardableResult
        func read(_ keys: some Sequence<Int>) -> Double {
            var reads = 0
            var hits = 0
            for key in keys {
                reads += 1
                if shard.entry(hash(key), now: Timestamp(milliseconds: 0)) != nil {
                    hits += 1
                } else {
                    shard.put(hash(key), entry)
                }
            }
            return Double(hits) / Double(reads)
        }

        private func hash(_ key: Int) -> Hash128 {
            var random = SeededRandom(seed: UInt64(key))
            return Hash128(low: random.next(), high: random.next())
        }
    }

    // MARK: What it keeps

    @Test func `a scan of ten times the cache leaves what is read again and again where it is`() {
        let replay = Replay(entries: 200)
        for _ in 0..<4 { replay.read(0..<150) }
        replay.read(1000..<3000)
        #expect((0..<150).count { replay.holds($0) } >= 145)
    }

    @Test func `scans between the reads of a working set cost it little`() {
        let replay = Replay(entries: 200)
        for _ in 0..<4 { replay.read(0..<150) }
        let ratios = (1..<20).map { round in
            replay.read(round * 10_000..<round * 10_000 + 400)
            return replay.read(0..<150)
        }
        #expect(ratios.min() ?? 0 > 0.9)
    }

    @Test(arguments: [1.1, 1.4, 1.8, 2, 2.2, 5])
    func `of a loop larger than the cache nearly as much is held as fits`(times: Double) {
        let count = Int(300 * times)
        let replay = Replay(entries: 300)
        for _ in 0..<10 { replay.read(0..<count) }
        let ratio = (0..<10).reduce(0) { sum, _ in sum + replay.read(0..<count) } / 10
        // Where all of the loop is just remembered, more come back than there is room for.
        #expect(ratio > (times == 2 ? 0.6 : 0.9) / times)
    }

    @Test func `a working set that moves on is followed`() {
        var random = SeededRandom(seed: 51)
        let replay = Replay(entries: 300)
        let ratios = (0..<12).map { phase in
            replay.read((0..<4000).map { _ in phase * 10_000 + Int(random.next() % 250) })
        }
        // 250 first reads of 4,000 can't be hits.
        #expect(ratios.dropFirst(2).min() ?? 0 > 0.88)
    }

    @Test func `a recency-biased sequence is served about as well as by LRU`() {
        var random = SeededRandom(seed: 52)
        var recent = Array(0..<3000)
        let keys = (0..<40_000).map { _ in
            // Depths of the stack fall off evenly: half of all reads within 100.
            var depth = 0
            while random.next() % 145 != 0, depth < 2999 { depth += 1 }
            let key = recent.remove(at: depth)
            recent.insert(key, at: 0)
            return key
        }
        var queue: [Int] = []
        var hits = 0
        for key in keys {
            if let index = queue.firstIndex(of: key) {
                queue.remove(at: index)
                hits += 1
            } else if queue.count == 150 {
                queue.removeLast()
            }
            queue.insert(key, at: 0)
        }
        let ratio = Replay(entries: 150).read(keys)
        #expect(ratio > Double(hits) / Double(keys.count) - 0.03)
    }

    @Test func `keys that are read once do not drive out those that are read often`() {
        var random = SeededRandom(seed: 53)
        let replay = Replay(entries: 100)
        var once = 10_000
        var hits = 0.0
        for _ in 0..<200 {
            let keys = (0..<50).map { _ in Int(random.next() % 80) }
            hits += replay.read(keys)
            replay.read((0..<50).map { once + $0 })
            once += 50
        }
        #expect(hits / 200 > 0.9)
    }

    // MARK: Newcomers

    @Test(arguments: [1, 2, 3, 20, 300])
    func `what was just put is there, however small the cache and whatever came before`(entries: Int) {
        var random = SeededRandom(seed: 54)
        let replay = Replay(entries: entries)
        for _ in 0..<5000 {
            let key = Int(random.next() % 600)
            replay.read([key])
            #expect(replay.holds(key))
            if random.next() % 2 == 0 { replay.read([Int(random.next() % 20)]) }
        }
    }

    @Test(arguments: [UInt64(61), 62])
    func `an entry that is replaced by one of another size is there afterwards`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let shard = MemoryShard<AdaptiveOrder>(maximumBytes: 10_000)
        for _ in 0..<20_000 {
            let hash = Hash128(low: random.next() % 40, high: 0)
            let entry = MemoryEntry(
                bytes: [UInt8](repeating: 1, count: Int(random.next() % 9000)), form: .plain, mode: .native,
                expiresAt: Replay.expiresAt, staleAt: Replay.expiresAt, writtenAt: .zero, sequence: .zero)
            shard.put(hash, entry)
            let held = shard.entry(hash, now: Timestamp(milliseconds: 0))
            try #require(held?.bytes.count == entry.bytes.count, "seed \(seed)")
            try #require(shard.statistics.bytes <= 10_000, "seed \(seed)")
        }
    }

    @Test func `a heavy newcomer takes the place of as many as it weighs`() {
        let shard = MemoryShard<AdaptiveOrder>(maximumBytes: 161 * 100)
        func put(_ key: UInt64, count: Int) {
            let entry = MemoryEntry(
                bytes: [UInt8](repeating: 1, count: count), form: .plain, mode: .native, expiresAt: Replay.expiresAt,
                staleAt: Replay.expiresAt, writtenAt: .zero, sequence: .zero)
            shard.put(Hash128(low: key, high: 0), entry)
        }
        for key in 0..<UInt64(100) { put(key, count: 1) }
        #expect(shard.statistics.entries == 100)
        put(1000, count: 161 * 50 - 160)
        #expect(shard.statistics.entries == 51)
        #expect(shard.statistics.evictions == 50)
    }

    // MARK: The order alone

    @Test(arguments: [UInt64(11), 12, 13])
    func `a victim is always held, whatever was removed before`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var order = AdaptiveOrder(maximumBytes: 3200)
        var held: [Int: Hash128] = [:]
        var free = Array((0..<64).reversed())
        for _ in 0..<20_000 {
            let hash = Hash128(low: random.next() % 150, high: 0)
            let slot = held.keys.sorted().randomElement(using: &random)
            switch random.next() % 6 {
            case 0, 1:
                guard !held.values.contains(hash), let slot = free.popLast() else { continue }
                order.expect(hash, weight: 50, isFull: held.count > 50)
                order.inserted(slot, weight: 50)
                held[slot] = hash
            case 2: slot.map { order.touched($0) }
            case 3:
                guard let slot else { continue }
                order.lifted(slot)
                let victim = order.victim()
                try #require(victim != slot && (victim == nil) == (held.count == 1), "seed \(seed)")
                order.lowered(slot, weight: Int(random.next() % 100))
            case 4:
                guard let slot else { continue }
                order.removed(slot)
                held[slot] = nil
                free.append(slot)
            default:
                let victim = order.victim()
                try #require((victim == nil) == held.isEmpty, "seed \(seed)")
                guard let victim else { continue }
                let hash = try #require(held[victim], "seed \(seed)")
                held[victim] = nil
                order.evicted(victim, hash)
                free.append(victim)
            }
        }
    }

    @Test func `who comes back after an eviction goes to the main queue and outlasts a scan`() {
        let replay = Replay(entries: 100)
        replay.read(0..<100)
        // Out of probation, and back while it is remembered.
        replay.read([500])
        replay.read(600..<650)
        #expect(!replay.holds(500))
        replay.read([500])
        replay.read(700..<760)
        #expect(replay.holds(500))
    }
}
