import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKit

struct ReaderLanesTests {
    /// Two numbers that a writer keeps equal; nothing but the lanes guards them.
    private final class Pair: Sendable {
        let lanes = ReaderLanes()
        // Not a `var`: what is tested is that the lanes alone keep readers and writers apart.
        nonisolated(unsafe) let numbers: UnsafeMutablePointer<Int>

        init() {
            numbers = .allocate(capacity: 2)
            numbers.initialize(repeating: 0, count: 2)
        }

        deinit { numbers.deallocate() }
    }

    @Test func `no reader sees what a writer has half done, and no writer another's`() async {
        let pair = Pair()
        let rounds = TestEffort.count(short: 3000, long: 300_000)
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<rounds {
                        pair.lanes.withWriting {
                            pair.numbers[0] += 1
                            pair.numbers[1] += 1
                        }
                    }
                    return 0
                }
                group.addTask {
                    var torn = 0
                    for _ in 0..<rounds * 4 {
                        guard let lane = pair.lanes.enter() else { continue }
                        if pair.numbers[0] != pair.numbers[1] { torn += 1 }
                        pair.lanes.leave(lane, .hit)
                    }
                    return torn
                }
            }
            for await torn in group { #expect(torn == 0) }
        }
        #expect(pair.numbers[0] == rounds * 2)
        #expect(pair.numbers[1] == rounds * 2)
    }

    @Test func `a writer waits for the readers inside, and readers who come then wait for it`() async {
        let pair = Pair()
        guard let lane = pair.lanes.enter() else {
            Issue.record("nobody writes")
            return
        }
        let hasWritten = WriteFlag()
        async let writing: Void = write(pair, hasWritten)
        // Until the writer has said that it writes.
        while !hasWritten.isSet, let other = pair.lanes.enter() {
            pair.lanes.leave(other, .uncounted)
            await Task.yield()
        }
        #expect(!hasWritten.isSet)
        pair.lanes.leave(lane, .uncounted)
        await writing
        #expect(hasWritten.isSet)
    }

    private final class WriteFlag: Sendable {
        private let value = Atomic(false)

        var isSet: Bool { value.load(ordering: .acquiring) }

        func set() { value.store(true, ordering: .releasing) }
    }

    @concurrent
    private func write(_ pair: Pair, _ hasWritten: WriteFlag) async {
        pair.lanes.withWriting { hasWritten.set() }
    }

    @Test func `a reader does not enter while someone writes, and does afterwards`() {
        let lanes = ReaderLanes()
        lanes.withWriting { #expect(lanes.enter() == nil) }
        let lane = lanes.enter()
        #expect(lane != nil)
        if let lane { lanes.leave(lane, .uncounted) }
    }

    @Test func `a second reader enters beside the first`() {
        let lanes = ReaderLanes()
        let first = lanes.enter()
        let second = lanes.enter()
        #expect(first != nil && second != nil)
        for lane in [first, second].compactMap(\.self) { lanes.leave(lane, .uncounted) }
        #expect(lanes.withWriting { true })
    }

    @Test func `hits and misses are counted on the way out, others are not`() {
        let lanes = ReaderLanes()
        for outcome in [ReaderLanes.Outcome.hit, .miss, .hit, .uncounted] {
            if let lane = lanes.enter() { lanes.leave(lane, outcome) }
        }
        lanes.count(.miss)
        lanes.count(.hit)
        lanes.count(.uncounted)
        #expect(lanes.counts == (3, 2))
    }

    @Test func `readers of a shard that is written to see whole entries of the right key, and every read is counted`()
        async
    {
        let shard = MemoryShard<AdaptiveOrder>(maximumBytes: 40 * 300)
        let rounds = TestEffort.count(short: 4000, long: 400_000)
        let expiresAt = Timestamp(milliseconds: 1000)
        await withTaskGroup(of: Int.self) { group in
            for seed in UInt64(71)...72 {
                group.addTask {
                    var random = SeededRandom(seed: seed)
                    for _ in 0..<rounds {
                        let key = random.next() % 60
                        let bytes = [UInt8](repeating: UInt8(key), count: Int(random.next() % 200) + 1)
                        let entry = MemoryEntry(
                            bytes: bytes, form: .plain, mode: .native, expiresAt: expiresAt, staleAt: expiresAt,
                            writtenAt: .zero, sequence: .zero)
                        shard.put(Hash128(low: key << 32 | key, high: 0), entry)
                    }
                    return 0
                }
                group.addTask {
                    var random = SeededRandom(seed: seed + 10)
                    var wrong = 0
                    for _ in 0..<rounds {
                        let key = random.next() % 60
                        let entry = shard.entry(Hash128(low: key << 32 | key, high: 0), now: Timestamp(milliseconds: 0))
                        if let entry, !entry.bytes.allSatisfy({ $0 == UInt8(key) }) { wrong += 1 }
                    }
                    return wrong
                }
            }
            for await wrong in group { #expect(wrong == 0) }
        }
        let statistics = shard.statistics
        #expect(statistics.hits + statistics.misses == rounds * 2)
        #expect(statistics.hits > 0 && statistics.misses > 0)
    }
}
