import CacheKit
import CacheKitCore
import CacheKitSQLite
import Floors

// The SQLite tier is the store's own `commit` with values that are sealed already, as the cache hands them over; the cache
// figures beside it add encoding, sealing and the memory tier. Values change on every write.
//
// Moving the log into the database is work that writes make. Where the figure is how long one call takes, it is left out on
// both sides: a slice is too short for either to need it. Where the figure is a rate, it counts on both sides, whoever does it.

let databaseWriteFigures = [
    alone, concurrent(writers: 8, bar: .atLeast(4)), concurrent(writers: 64, bar: .atLeast(16)),
    concurrent(writers: 64, bar: nil, floorBatch: 64),
    concurrent(writers: 8, bar: nil, syncDelay: 400), concurrent(writers: 64, bar: nil, syncDelay: 400),
    thousandRows(of: 20_000, bar: .atMost(1.8)), thousandRows(of: 1_000, bar: nil), relaxedTail,
    throughCache(writers: 1), throughCache(writers: 64),
]

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
        operationsPerSlice: 200, finish: sides.finish)
}

/// So many tasks that write one row at a time; the floor is one thread that commits each row alone, or so many at once,
/// as it could if it knew them all beforehand.
///
/// - Parameter syncDelay: Microseconds that a sync takes longer than on the disk that is there, on both sides.
private func concurrent(writers: Int, bar: Figure.Bar?, floorBatch: Int = 1, syncDelay: Int = 0) -> Figure {
    let floorName = floorBatch == 1 ? "each row" : "\(floorBatch) rows at once"
    let diskName = syncDelay == 0 ? "" : ", syncs \(syncDelay) us slower"
    return Figure(
        name: "SQLite tier, \(writers) writers, against C committing \(floorName)\(diskName)", unit: .perSecond,
        bar: bar
    ) {
        try check(floor_disk_slow_syncs(syncDelay), "floor_disk_slow_syncs")
        let sides = try await WriteSides(keyCount: 20_000)
        var draw = Draw(20_000, seed: 12)
        var number = 1 << 30
        return Contest(
            ours: sides.timed(withLog: sides.storeLog) { count in
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
            floor: sides.timed(withLog: sides.floorLog) { count in
                for _ in 0..<count / floorBatch {
                    number += floorBatch
                    if floorBatch == 1 {
                        try sides.putFloor(draw.next(), stamped: number)
                    } else {
                        try sides.commitFloor(draw.next(floorBatch), stampedFrom: number)
                    }
                }
            },
            operationsPerSlice: 80 * max(writers, 32),
            finish: {
                await sides.finish()
                try? check(floor_disk_slow_syncs(0), "floor_disk_slow_syncs")
            })
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

/// A secure cache over a file, with nothing in memory, so that every read reaches the file.
func fileCache(_ folder: TemporaryFolder) async throws -> Cache {
    var configuration = CacheConfiguration()
    configuration.memory.maximumBytes = 0
    return try await Cache(
        local: .sqlite(path: folder.path("cache.db")), encryption: .secure(key: .keyring(Samples.keyring())),
        configuration: configuration)
}

/// The same through `cache.bytes.set`, which seals the value and fills the memory tier too; the floor is one commit each.
private func throughCache(writers: Int) -> Figure {
    Figure(
        name: "secure cache over SQLite, \(writers) writers, against C committing each row", unit: .perSecond
    ) {
        let sides = try await WriteSides(keyCount: 20_000)
        let folder = try TemporaryFolder()
        let cache = try await fileCache(folder)
        let log = try FileLog(folder.path("cache.db"))
        var draw = Draw(20_000, seed: 15)
        var number = 1 << 30
        return Contest(
            ours: sides.timed(withLog: log) { count in
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
            floor: sides.timed(withLog: sides.floorLog) { count in
                for _ in 0..<count {
                    number += 1
                    try sides.putFloor(draw.next(), stamped: number)
                }
            },
            operationsPerSlice: max(640, 40 * writers),
            finish: {
                await cache.shutdown()
                folder.remove()
                await sides.finish()
            })
    }
}
