import CacheKit
import CacheKitCore
import Floors
import Foundation

let memoryScaleFigures = [twoThreads(keys: 100_000), bytesPerEntry(count: 1_000_000)]

/// How many times as many hits two threads get as one: out of one cache, and out of a dictionary for each.
///
/// A figure of growth tells how many times as long an operation takes as at the start, so here the start has two threads.
private func twoThreads(keys count: Int) -> Figure {
    Figure(
        name: "hits of two threads, \(count) keys, gain over one, against private dictionaries", unit: .growth,
        bar: .atLeast(0.9)
    ) {
        var configuration = CacheConfiguration()
        configuration.memory.maximumBytes = count * 2048 + (8 << 20)
        let cache = try await Cache(
            encryption: .secure(key: .keyring(Samples.keyring())), configuration: configuration)
        let keys = Samples.keys(count)
        var dictionaries: [[String: [UInt8]]] = [[:], [:]]
        for (number, key) in keys.enumerated() {
            try await cache.bytes.set(Samples.randomBytes(1024, seed: UInt64(number)), for: CacheKey(key))
            guard let entry = cache.memoryEntry(for: try CacheKey(key)) else { throw FloorFailure(call: "fill") }
            for side in 0..<2 { dictionaries[side][key] = Array(entry.bytes[...]) }
        }
        let filled = dictionaries
        // Each thread looks up strings of its own, in an order of its own.
        let ours = try (0..<2).map { side in
            let keys = Samples.keys(count)
            return try Samples.order(count, seed: UInt64(side)).map { try CacheKey(keys[$0]) }
        }
        let floor = (0..<2).map { side in
            let keys = Samples.keys(count)
            return Samples.order(count, seed: UInt64(side)).map { keys[$0] }
        }
        let threads = ThreadPair()
        let read: @Sendable (Int, Int) -> Void = { thread, operations in
            let keys = ours[thread]
            var bytes = 0
            for number in 0..<operations { bytes &+= cache.memoryEntry(for: keys[number % count])?.byteCount ?? 0 }
            keep(bytes)
        }
        let readPrivately: @Sendable (Int, Int) -> Void = { thread, operations in
            let keys = floor[thread]
            let entries = filled[thread]
            var bytes = 0
            for number in 0..<operations { bytes &+= entries[keys[number % count]]?.count ?? 0 }
            keep(bytes)
        }
        // Of both threads' operations each does half.
        return Contest(
            ours: { threads.run(threads: 1, count: $0, read) },
            floor: { threads.run(threads: 1, count: $0, readPrivately) },
            start: Contest.Start(
                ours: { threads.run(threads: 2, count: $0 / 2, read) },
                floor: { threads.run(threads: 2, count: $0 / 2, readPrivately) }),
            operationsPerSlice: 400_000,
            finish: { threads.finish() })
    }
}

/// What a full cache of memory takes beside its keys and values: the growth of resident memory less their bytes. A fifth more
/// is written than fits, so that what is remembered of evicted keys counts too.
private func bytesPerEntry(count: Int) -> Figure {
    Figure(
        name: "memory of \(count) entries beside key and value, each, against 160 bytes", unit: .bytes,
        bar: .atMost(1)
    ) {
        let valueCount = 100
        let probe = try await Cache(encryption: .plain)
        try await probe.bytes.set(Samples.randomBytes(valueCount, seed: 0), for: Samples.cacheKey(0))
        let bound = probe.statistics().memory.bytes * count
        return Contest(
            ours: { repetitions in
                var configuration = CacheConfiguration()
                configuration.memory.maximumBytes = bound
                floor_memory_give_back()
                let start = try residentMemory()
                let cache = try await Cache(encryption: .plain, configuration: configuration)
                for number in 0..<count * 6 / 5 {
                    let value = Samples.randomBytes(valueCount, seed: UInt64(number))
                    try await cache.bytes.set(value, for: Samples.cacheKey(number))
                }
                let held = cache.statistics().memory.entries
                guard held > count / 100 * 99 else { throw FloorFailure(call: "fill") }
                let payload = held * (Samples.cacheKey(0).string.utf8.count + valueCount)
                return .nanoseconds(Double(try residentMemory() - start - payload) / Double(held)) * repetitions
            },
            floor: { .nanoseconds(160) * $0 },
            operationsPerSlice: 1)
    }
}
