import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct MemoryShardTests {
    private typealias Shard = MemoryShard<AdaptiveOrder>

    private let now = Timestamp(milliseconds: 1_000_000)

    /// Keys of one stripe or of stripes of their own.
    private func hash(_ number: UInt64, stripe: UInt64 = 0) -> Hash128 {
        Hash128(low: stripe << 32 | number, high: number << 40)
    }

    private func entry(_ byte: UInt8, count: Int = 1, sequence: UInt64 = 0, life: Int64 = 1000) -> MemoryEntry {
        let expiresAt = Timestamp(milliseconds: now.milliseconds + life)
        return MemoryEntry(
            bytes: [UInt8](repeating: byte, count: count), form: .plain, mode: .native, expiresAt: expiresAt,
            staleAt: expiresAt, writtenAt: .zero, sequence: ChangeSequence(sequence))
    }

    private func value(_ shard: Shard, _ hash: Hash128) -> UInt8? { shard.entry(hash, now: now)?.bytes.first }

    // MARK: What is unverified

    @Test func `what was held before gaps is verified by none of them, however many there are`() {
        let shard = Shard(maximumBytes: 20_000)
        for gaps in [1, 2, 65_534, 65_535, 65_536, 65_537] {
            shard.put(hash(1), entry(7, sequence: 1))
            #expect(value(shard, hash(1)) == 7)
            for _ in 0..<gaps { shard.unverifyAll() }
            #expect(value(shard, hash(1)) == nil, "\(gaps)")
        }
    }

    // MARK: Bound and time

    @Test(arguments: [UInt64(21), 22])
    func `bytes never exceed the bound and always equal what is held`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let shard = Shard(maximumBytes: 20_000)
        var keys: Set<UInt64> = []
        for _ in 0..<20_000 {
            let key = random.next() % 200
            switch random.next() % 8 {
            case 0: shard.invalidate(hash(key), below: ChangeSequence(1))
            case 1: _ = shard.entry(hash(key), now: Timestamp(milliseconds: now.milliseconds + 500))
            default:
                let count = Int(random.next() % 4000)
                shard.put(hash(key), entry(1, count: count, life: Int64(random.next() % 2000)))
                keys.insert(key)
            }
            try #require(shard.statistics.bytes <= 20_000, "seed \(seed)")
        }
        let held = keys.compactMap { shard.entry(hash($0), now: Timestamp(milliseconds: 0)) }
        #expect(held.count == shard.statistics.entries)
        #expect(held.reduce(0) { $0 + $1.charge } == shard.statistics.bytes)
        #expect(shard.statistics.evictions > 0)
    }

    @Test func `an entry is served until its last millisecond and not at it`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(7, life: 10))
        #expect(shard.entry(hash(1), now: Timestamp(milliseconds: now.milliseconds + 9)) != nil)
        #expect(shard.entry(hash(1), now: Timestamp(milliseconds: now.milliseconds + 10)) == nil)
        #expect(shard.statistics.expirations == 1)
        #expect(shard.statistics.entries == 0)
        #expect(shard.statistics.bytes == 0)
    }

    @Test func `an entry larger than the shard is not kept, and what it replaces goes`() {
        let shard = Shard(maximumBytes: 1000)
        shard.put(hash(1), entry(1))
        shard.put(hash(2), entry(2))
        shard.put(hash(1), entry(3, count: 2000))
        #expect(value(shard, hash(1)) == nil)
        #expect(value(shard, hash(2)) == 2)
        #expect(shard.statistics.evictions == 0)
    }

    @Test func `a newcomer is never the one that goes, even when everything else was just read`() {
        let shard = Shard(maximumBytes: 161 * 4)
        for key in 0..<UInt64(4) { shard.put(hash(key), entry(1)) }
        for key in 4..<UInt64(200) {
            for other in 0..<key { _ = value(shard, hash(other)) }
            shard.put(hash(key), entry(2))
            #expect(value(shard, hash(key)) == 2)
        }
    }

    @Test func `a shard without room keeps nothing`() {
        let shard = Shard(maximumBytes: 0)
        shard.put(hash(1), entry(1, count: 0))
        #expect(shard.statistics == MemoryStatistics())
    }

    @Test func `a closed shard is empty, keeps nothing and remembers what it counted`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(1))
        _ = value(shard, hash(1))
        let ticket = shard.ticket(hash(2))
        shard.close()
        shard.put(hash(1), entry(1))
        shard.fill(hash(2), with: entry(1), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1)) == nil)
        #expect(shard.statistics.entries == 0)
        #expect(shard.statistics.hits == 1)
    }

    // MARK: Tickets

    @Test func `a fill is kept when nothing was written meanwhile`() {
        let shard = Shard(maximumBytes: 10_000)
        let ticket = shard.ticket(hash(1))
        shard.fill(hash(1), with: entry(5), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1)) == 5)
    }

    @Test func `a slow fill never replaces a newer put, not even one that was evicted`() {
        let shard = Shard(maximumBytes: 161 * 2)
        let ticket = shard.ticket(hash(1))
        shard.put(hash(1), entry(2, sequence: 9))
        shard.fill(hash(1), with: entry(1, sequence: 0), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1)) == 2)
        for key in 10..<UInt64(20) { shard.put(hash(key, stripe: key), entry(3)) }
        #expect(value(shard, hash(1)) == nil)
        shard.fill(hash(1), with: entry(1, sequence: 0), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a slow fill never revives a delete`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(1, sequence: 3))
        let ticket = shard.ticket(hash(1))
        shard.invalidate(hash(1), below: ChangeSequence(4))
        shard.fill(hash(1), with: entry(1, sequence: 3), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a fill of another stripe is not disturbed`() {
        let shard = Shard(maximumBytes: 10_000)
        let ticket = shard.ticket(hash(1, stripe: 1))
        shard.put(hash(2, stripe: 2), entry(2, sequence: 4))
        shard.fill(hash(1, stripe: 1), with: entry(1), ticket: ticket, at: .zero)
        #expect(value(shard, hash(1, stripe: 1)) == 1)
    }

    @Test func `a fill does not replace something newer that came with a higher sequence`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(2, sequence: 9))
        shard.fill(hash(1), with: entry(1, sequence: 8), ticket: shard.ticket(hash(1)), at: .zero)
        #expect(value(shard, hash(1)) == 2)
    }

    // MARK: Commits that arrive in the other order

    @Test func `a put that comes after a later put is not kept`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(2, sequence: 6))
        shard.put(hash(1), entry(1, sequence: 5))
        #expect(value(shard, hash(1)) == 2)
    }

    @Test func `a put that comes after a later delete is not kept`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.invalidate(hash(1), below: ChangeSequence(6))
        shard.put(hash(1), entry(1, sequence: 5))
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a put that comes after a later put was evicted is not kept`() {
        let shard = Shard(maximumBytes: 161)
        shard.put(hash(1), entry(2, sequence: 6))
        shard.put(hash(2, stripe: 2), entry(3, sequence: 7))
        shard.put(hash(1), entry(1, sequence: 5))
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a late put of another key of the stripe drops what it replaces`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(2), entry(1, sequence: 4))
        shard.put(hash(1), entry(2, sequence: 6))
        shard.put(hash(2), entry(3, sequence: 5))
        #expect(value(shard, hash(2)) == nil)
        #expect(value(shard, hash(1)) == 2)
    }

    @Test func `invalidating drops what is older and nothing else`() {
        let shard = Shard(maximumBytes: 10_000)
        shard.put(hash(1), entry(1, sequence: 5))
        shard.invalidate(hash(1), below: ChangeSequence(5))
        #expect(value(shard, hash(1)) == 1)
        shard.invalidate(hash(1), below: ChangeSequence(6))
        #expect(value(shard, hash(1)) == nil)
        shard.invalidate(hash(1), below: ChangeSequence(7))
    }

    @Test func `removing drops whatever is held, and keeps earlier reads from filling`() {
        let shard = Shard(maximumBytes: 10_000)
        for sequence: UInt64 in [0, 9] {
            let ticket = shard.ticket(hash(1))
            shard.put(hash(1), entry(1, sequence: sequence))
            shard.remove(hash(1))
            shard.fill(hash(1), with: entry(1, sequence: sequence), ticket: ticket, at: .zero)
            #expect(value(shard, hash(1)) == nil)
        }
    }

    @Test func `writes that nothing numbers all count, in order of arrival`() {
        let shard = Shard(maximumBytes: 10_000)
        for byte in UInt8(1)...9 {
            shard.put(hash(UInt64(byte % 3)), entry(byte))
            #expect(value(shard, hash(UInt64(byte % 3))) == byte)
        }
    }

    // MARK: Writes straight to a remote

    @Test func `of two writes that overlap none is kept, whichever ends first`() {
        let shard = Shard(maximumBytes: 10_000)
        let first = shard.ticket(hash(1))
        let second = shard.ticket(hash(1))
        _ = shard.end(hash(1), entry(2), ticket: second)
        _ = shard.end(hash(1), entry(1), ticket: first)
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a write that begins after another has ended is kept`() {
        let shard = Shard(maximumBytes: 10_000)
        _ = shard.end(hash(1), entry(1), ticket: shard.ticket(hash(1)))
        _ = shard.end(hash(1), entry(2), ticket: shard.ticket(hash(1)))
        #expect(value(shard, hash(1)) == 2)
        _ = shard.end(hash(1), nil, ticket: shard.ticket(hash(1)))
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `a read that began during a write may not fill after it, not even after eviction`() {
        let shard = Shard(maximumBytes: 161)
        let write = shard.ticket(hash(1))
        let read = shard.ticket(hash(1))
        _ = shard.end(hash(1), entry(2), ticket: write)
        shard.put(hash(5, stripe: 5), entry(3))
        shard.fill(hash(1), with: entry(1), ticket: read, at: .zero)
        #expect(value(shard, hash(1)) == nil)
    }

    @Test func `one batch keeps all its keys of a stripe, and the last of two writes of one key`() {
        let shard = Shard(maximumBytes: 10_000)
        var ticket = shard.ticket(hash(1))
        ticket = shard.end(hash(1), entry(1), ticket: ticket)
        ticket = shard.end(hash(2), entry(2), ticket: ticket)
        ticket = shard.end(hash(1), entry(3), ticket: ticket)
        #expect(value(shard, hash(1)) == 3)
        #expect(value(shard, hash(2)) == 2)
    }

    @Test func `a batch that another write interrupts keeps nothing from then on`() {
        let shard = Shard(maximumBytes: 10_000)
        let other = shard.ticket(hash(3))
        var ticket = shard.ticket(hash(1))
        ticket = shard.end(hash(1), entry(1), ticket: ticket)
        _ = shard.end(hash(3), entry(9), ticket: other)
        ticket = shard.end(hash(2), entry(2), ticket: ticket)
        ticket = shard.end(hash(1), entry(3), ticket: ticket)
        #expect(value(shard, hash(1)) == nil)
        #expect(value(shard, hash(2)) == nil)
        #expect(value(shard, hash(3)) == nil)
    }

    @Test func `a second look counts neither hit nor miss`() {
        let shard = Shard(maximumBytes: 10_000)
        _ = shard.entry(hash(1), now: now, isCounted: false)
        shard.put(hash(1), entry(1))
        _ = shard.entry(hash(1), now: now, isCounted: false)
        #expect(shard.statistics.hits == 0)
        #expect(shard.statistics.misses == 0)
    }
}
