import CacheKit
import CacheKitCore
import CacheKitSQLite
import Floors
import Logging

// The SQLite tier is the store's own `commit` with values that are sealed already, as the cache hands them over; the cache
// figures beside it add encoding, sealing and the memory tier. Values change on every write.

let databaseWriteFigures = [
    alone, concurrent(writers: 8, bar: 4), concurrent(writers: 64, bar: 16),
    thousandRows(of: 20_000, bar: .atMost(1.8)), thousandRows(of: 1_000, bar: nil), relaxedTail,
    throughCache(writers: 1), throughCache(writers: 64),
]

/// A store and a floor's database that hold the same rows.
private struct WriteSides: Sendable {
    /// The floor's connection belongs to one task at a time: the sides of a contest take turns.
    nonisolated(unsafe) let floor: OpaquePointer
    let store: SQLiteStore
    let folder: TemporaryFolder
    let keys: [CacheKey]
    let floorKeys: [[UInt8]]
    private let fingerprint = KeyFingerprint(high: 1, low: 2)
    private let value = Samples.randomBytes(1024, seed: 1)

    init(
        keyCount: Int, preloaded: Int? = nil, durability: SQLiteConfiguration.Durability = .full,
        checkpointPages: Int32 = 0
    ) async throws {
        folder = try TemporaryFolder()
        var configuration = SQLiteConfiguration(path: folder.path("cache.db"))
        configuration.durability = durability
        store = try await SQLiteStore.open(
            configuration,
            LocalStoreContext(
                keyring: Samples.keyring(), tenant: "default", hasRemote: false, clock: .system,
                logger: Logger(label: "bench")))
        let isFull: Int32 = durability == .full ? 1 : 0
        guard let floor = floor_writes_open(folder.path("floor.db"), isFull, checkpointPages) else {
            throw FloorFailure(call: "floor_writes_open")
        }
        self.floor = floor
        keys = try Samples.keys(keyCount).map { try CacheKey($0) }
        floorKeys = (0..<keyCount).map { Samples.randomBytes(32, seed: UInt64($0) << 20) }
        let order = Samples.order(preloaded ?? keyCount)
        for start in stride(from: 0, to: order.count, by: 1_000) {
            let numbers = order[start..<min(start + 1_000, order.count)]
            try await commitOurs(numbers, stampedFrom: start)
            try commitFloor(numbers, stampedFrom: start)
        }
        try await settleDown()
    }

    func change(_ number: Int, stamped: Int) -> LocalChange {
        var value = value
        stamp(&value, stamped)
        return LocalChange(
            key: keys[number], value: value, form: .sealed(fingerprint), mode: .native,
            expiresAt: Timestamp(milliseconds: 4_000_000_000_000))
    }

    func commitOurs(_ numbers: some Sequence<Int>, stampedFrom first: Int) async throws {
        try await store.commit(numbers.enumerated().map { change($1, stamped: first + $0) })
    }

    func putFloor(_ number: Int, stamped: Int) throws {
        var value = value
        stamp(&value, stamped)
        try check(floor_writes_put(floor, floorKeys[number], value, value.count), "floor_writes_put")
    }

    func commitFloor(_ numbers: some Sequence<Int>, stampedFrom first: Int) throws {
        try check(floor_writes_begin(floor), "floor_writes_begin")
        for (offset, number) in numbers.enumerated() { try putFloor(number, stamped: first + offset) }
        try check(floor_writes_commit(floor), "floor_writes_commit")
    }

    /// Between two timed slices: the floor's log is emptied at no cost to it, and what the store does after its writes
    /// does not disturb the floor's.
    func settleDown() async throws {
        try check(floor_writes_checkpoint(floor), "floor_writes_checkpoint")
        try await Task.sleep(for: .milliseconds(60))
    }

    /// A side that is timed, with the pause after it.
    func timed(_ body: @escaping (Int) async throws -> Void) -> Contest.Side {
        let measured: Contest.Side = bench.timed(body)
        return { count in
            let duration = try await measured(count)
            try await settleDown()
            return duration
        }
    }

    func finish() async {
        await store.close()
        floor_writes_close(floor)
        folder.remove()
    }
}

/// Numbers below a count in random order, over and over.
private struct Draw {
    private var random: SplitMix
    private let count: Int

    init(_ count: Int, seed: Int) {
        self.count = count
        random = SplitMix(state: UInt64(seed))
    }

    mutating func next() -> Int { Int(random.next() % UInt64(count)) }

    /// So many, no two alike.
    mutating func next(_ wanted: Int) -> [Int] {
        var numbers = Set<Int>()
        while numbers.count < wanted { numbers.insert(next()) }
        return Array(numbers)
    }
}

private let alone = Figure(name: "SQLite tier, 1 durable write alone, against a C commit", bar: .atMost(1.2)) {
    let sides = try await WriteSides(keyCount: 20_000)
    var draw = Draw(20_000, seed: 11)
    var number = 1 << 30
    return Contest(
        ours: sides.timed { count in
            for _ in 0..<count {
                number += 1
                try await sides.commitOurs(CollectionOfOne(draw.next()), stampedFrom: number)
            }
        },
        floor: sides.timed { count in
            for _ in 0..<count {
                number += 1
                try sides.putFloor(draw.next(), stamped: number)
            }
        },
        operationsPerSlice: 300, finish: sides.finish)
}

/// So many tasks that write one row at a time; the floor is one thread that commits each row alone.
private func concurrent(writers: Int, bar: Double) -> Figure {
    Figure(
        name: "SQLite tier, \(writers) writers, against C committing each row", unit: .perSecond, bar: .atLeast(bar)
    ) {
        let sides = try await WriteSides(keyCount: 20_000)
        var draw = Draw(20_000, seed: 12)
        var number = 1 << 30
        return Contest(
            ours: sides.timed { count in
                number += count
                let first = number
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in 0..<writers {
                        group.addTask {
                            var draw = Draw(20_000, seed: first + writer)
                            for step in 0..<count / writers {
                                let stamped = first + step * writers + writer
                                try await sides.commitOurs(CollectionOfOne(draw.next()), stampedFrom: stamped)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
            floor: sides.timed { count in
                for _ in 0..<count {
                    number += 1
                    try sides.putFloor(draw.next(), stamped: number)
                }
            },
            operationsPerSlice: 40 * writers, finish: sides.finish)
    }
}

private func thousandRows(of keyCount: Int, bar: Figure.Bar?) -> Figure {
    Figure(name: "SQLite tier, 1,000 of \(keyCount) rows in one call, against C", bar: bar) {
        let sides = try await WriteSides(keyCount: keyCount)
        var draw = Draw(keyCount, seed: 13)
        var number = 1 << 30
        return Contest(
            ours: sides.timed { count in
                number += count
                try await sides.commitOurs(draw.next(count), stampedFrom: number)
            },
            floor: sides.timed { count in
                number += count
                try sides.commitFloor(draw.next(count), stampedFrom: number)
            },
            operationsPerSlice: 1_000, finish: sides.finish)
    }
}

/// Single relaxed writes one after the other, new keys and old ones; what is reported is not their mean, but the time that
/// one in a thousand exceeds. The floor checkpoints as SQLite does unless told otherwise: every 1,000 pages.
private let relaxedTail = Figure(name: "SQLite tier, p99.9 of relaxed writes, against C", bar: .atMost(0.5)) {
    let sides = try await WriteSides(
        keyCount: 200_000, preloaded: 20_000, durability: .relaxed, checkpointPages: 1_000)
    var draw = Draw(200_000, seed: 14)
    var number = 1 << 30
    return Contest(
        ours: tail { _ in
            number += 1
            try await sides.commitOurs(CollectionOfOne(draw.next()), stampedFrom: number)
        },
        floor: tail { _ in
            number += 1
            try sides.putFloor(draw.next(), stamped: number)
        },
        operationsPerSlice: 20_000, finish: sides.finish)
}

/// A side whose operations are timed one by one, and which counts as if each had taken as long as the 999th of 1,000.
private func tail(_ operation: @escaping (Int) async throws -> Void) -> Contest.Side {
    { count in
        let clock = ContinuousClock()
        var durations: [Duration] = []
        durations.reserveCapacity(count)
        for number in 0..<count {
            let start = clock.now
            try await operation(number)
            durations.append(start.duration(to: clock.now))
        }
        durations.sort()
        return durations[min(count - 1, count * 999 / 1_000)] * count
    }
}

/// The same through `cache.bytes.set`, which seals the value and fills the memory tier too; the floor is one commit each.
private func throughCache(writers: Int) -> Figure {
    Figure(
        name: "secure cache over SQLite, \(writers) writers, against C committing each row", unit: .perSecond
    ) {
        let sides = try await WriteSides(keyCount: 20_000)
        let folder = try TemporaryFolder()
        let cache = try await fileCache(folder)
        var draw = Draw(20_000, seed: 15)
        var number = 1 << 30
        return Contest(
            ours: sides.timed { count in
                number += count
                let first = number
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in 0..<writers {
                        group.addTask {
                            var draw = Draw(20_000, seed: first + writer)
                            var value = Samples.randomBytes(1024, seed: UInt64(writer))
                            for step in 0..<count / writers {
                                stamp(&value, first + step * writers + writer)
                                try await cache.bytes.set(value, for: sides.keys[draw.next()])
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
            floor: sides.timed { count in
                for _ in 0..<count {
                    number += 1
                    try sides.putFloor(draw.next(), stamped: number)
                }
            },
            operationsPerSlice: max(320, 40 * writers),
            finish: {
                await cache.shutdown()
                folder.remove()
                await sides.finish()
            })
    }
}
