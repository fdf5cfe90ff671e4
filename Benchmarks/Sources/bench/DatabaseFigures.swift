import CacheKit
import CacheKitCore
import CacheKitSQLite
import Floors

let databaseFigures = [commit(writers: 1), commit(writers: 64), pointRead]

/// A secure cache over a file, with nothing in memory, so that every read reaches the file.
func fileCache(_ folder: TemporaryFolder) async throws -> Cache {
    var configuration = CacheConfiguration()
    configuration.memory.maximumBytes = 0
    return try await Cache(
        local: .sqlite(path: folder.path("cache.db")), encryption: .secure(key: .keyring(Samples.keyring())),
        configuration: configuration)
}

/// Durable sets of changing 1 KiB values by so many tasks at a time; the floor puts as many rows into each transaction.
private func commit(writers: Int) -> Figure {
    Figure(name: "SQLite durable set, \(writers) writers, against plain SQLite") {
        let folder = try TemporaryFolder()
        let cache = try await fileCache(folder)
        guard let database = floor_database_open(folder.path("floor.db")) else {
            throw FloorFailure(call: "floor_database_open")
        }
        let keys = try Samples.keys(1_000).map { try CacheKey($0) }
        let rounds = max(1, 128 / writers)
        nonisolated(unsafe) var number = 0
        var value = Samples.randomBytes(1024, seed: 1)
        return Contest(
            ours: timed { _ in
                number += 1
                let round = number
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in 0..<writers {
                        group.addTask {
                            var value = Samples.randomBytes(1024, seed: UInt64(writer))
                            for step in 0..<rounds {
                                stamp(&value, round << 20 | step << 8 | writer)
                                try await cache.bytes.set(value, for: keys[(writer + step * writers) % keys.count])
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
            floor: timed { _ in
                for step in 0..<rounds {
                    try check(floor_database_begin(database), "floor_database_begin")
                    for writer in 0..<writers {
                        number += 1
                        stamp(&value, number)
                        let id = Int64((writer + step * writers) % keys.count)
                        try check(floor_database_put(database, id, value, value.count), "floor_database_put")
                    }
                    try check(floor_database_commit(database), "floor_database_commit")
                }
                try check(floor_database_checkpoint(database), "floor_database_checkpoint")
            },
            operationsPerSlice: rounds * writers,
            finish: {
                await cache.shutdown()
                floor_database_close(database)
                folder.remove()
            })
    }
}

private let pointRead = Figure(name: "SQLite point read and open, 20,000 rows, against plain SQLite") {
    let folder = try TemporaryFolder()
    let cache = try await fileCache(folder)
    guard let database = floor_database_open(folder.path("floor.db")) else {
        throw FloorFailure(call: "floor_database_open")
    }
    let keys = try Samples.keys(20_000).map { try CacheKey($0) }
    var random = SplitMix(state: 3)
    let identifiers = keys.map { _ in Int64(random.next() >> 1) }
    try check(floor_database_begin(database), "floor_database_begin")
    for start in stride(from: 0, to: keys.count, by: 1_000) {
        let numbers = start..<start + 1_000
        let values = numbers.map { Samples.randomBytes(1024, seed: UInt64($0)) }
        try await cache.bytes.set(numbers.map { (key: keys[$0], value: values[$0 - start], ttl: nil) })
        for number in numbers {
            try check(
                floor_database_put(database, identifiers[number], values[number - start], 1024), "floor_database_put")
        }
    }
    try check(floor_database_commit(database), "floor_database_commit")
    try check(floor_database_checkpoint(database), "floor_database_checkpoint")
    let order = Samples.order(keys.count)
    var position = 0
    return Contest(
        ours: timed { operations in
            for _ in 0..<operations {
                position = position + 1 < keys.count ? position + 1 : 0
                keep(try await cache.bytes.get(keys[order[position]])?.count ?? 0)
            }
        },
        floor: timed { operations in
            for _ in 0..<operations {
                position = position + 1 < keys.count ? position + 1 : 0
                guard floor_database_get(database, identifiers[order[position]]) == 1024 else {
                    throw FloorFailure(call: "floor_database_get")
                }
            }
        },
        finish: {
            await cache.shutdown()
            floor_database_close(database)
            folder.remove()
        })
}
