import CacheKit
import CacheKitCore
import CacheKitSQLite

/// Point reads of sealed values of 1 KiB, each opened: the store's public read of one key against plain SQLite by a unique
/// key of 32 bytes and EVP. The last ones need the most rows, so that what is measured before them has the disk to itself.
let databaseReadFigures = [
    pointRead(1_000, "1,000"), pointRead(100_000, "100,000"), miss, throughCache,
    pointRead(1_000_000, "1,000,000"), growth,
]

private func pointRead(_ rowCount: Int, _ rows: String) -> Figure {
    Figure(name: "SQLite point read, \(rows) rows, against C and EVP", bar: .atMost(1.2)) {
        let sides = try await FilledSides.shared.sides(rowCount: rowCount)
        return Contest(ours: sides.ours(seed: 21), floor: sides.floor(seed: 22))
    }
}

private let miss = Figure(name: "SQLite miss, 100,000 rows, against a C miss", bar: .atMost(1.2)) {
    let sides = try await FilledSides.shared.sides(rowCount: 100_000)
    return Contest(ours: sides.oursMissing(), floor: sides.floorMissing())
}

private let growth = Figure(
    name: "SQLite point read, growth 1,000 to 1,000,000 rows", unit: .growth, bar: .atMost(1)
) {
    let few = try await FilledSides.shared.sides(rowCount: 1_000)
    let many = try await FilledSides.shared.sides(rowCount: 1_000_000)
    return Contest(
        ours: many.ours(seed: 23), floor: many.floor(seed: 24),
        start: Contest.Start(ours: few.ours(seed: 25), floor: few.floor(seed: 26)))
}

/// What an application waits for: the cache's `get` of bytes over a file, with nothing in memory.
private let throughCache = Figure(name: "secure get over SQLite, 100,000 rows, against C and EVP") {
    let sides = try await FilledSides.shared.sides(rowCount: 100_000)
    let folder = try TemporaryFolder()
    let cache = try await fileCache(folder)
    for start in stride(from: 0, to: 100_000, by: 10_000) {
        try await cache.bytes.set(
            (start..<start + 10_000).map { number in
                (key: Samples.cacheKey(number), value: Samples.randomBytes(1024, seed: UInt64(number)), ttl: nil)
            })
    }
    nonisolated(unsafe) var draw = Draw(100_000, seed: 27)
    return Contest(
        ours: { count in
            let keys = (0..<count).map { _ in Samples.cacheKey(draw.next()) }
            return try await timed { _ in
                for key in keys { keep(try await cache.bytes.get(key)?.count ?? 0) }
            }(count)
        },
        floor: sides.floor(seed: 28),
        finish: {
            await cache.shutdown()
            folder.remove()
        })
}
