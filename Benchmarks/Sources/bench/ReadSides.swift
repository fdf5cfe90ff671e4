import CacheKit
import CacheKitCore
import CacheKitSQLite
import Floors

/// A store and a floor's database that hold the same sealed values of 1 KiB, for figures that only read.
///
/// Keys are made before the clock starts, on both sides; the floor is given its 32 bytes where ours must compute them.
final class ReadSides: Sendable {
    private static let associatedDataCount = AssociatedData.v3(
        tenant: "default", key: Samples.cacheKey(0), compressed: true
    ).count
    static let sealedCount = 1024 + 28

    let rowCount: Int
    let folder: TemporaryFolder
    let store: SQLiteStore
    let cipher: TenantCipher
    /// The floor's handles belong to one task at a time: the sides of a contest take turns.
    nonisolated(unsafe) private let floor: OpaquePointer
    nonisolated(unsafe) private let floorCipher: CipherFloor

    /// Fills both with the same rows; both files are whole, without a log, when this returns.
    init(rowCount: Int) async throws {
        self.rowCount = rowCount
        folder = try TemporaryFolder()
        cipher = try Samples.cipher()
        floorCipher = try CipherFloor()
        guard let floor = floor_rows_open(folder.path("floor.db"), 0, 0) else {
            throw FloorFailure(call: "floor_rows_open")
        }
        self.floor = floor
        let path = folder.path("cache.db")
        // Not synced one by one, and closed when done, which empties its log.
        let filled = try await openStore(path, .relaxed)
        let fingerprint = cipher.currentFingerprint
        var document = Samples.randomBytes(1024, seed: 1)
        for start in stride(from: 0, to: rowCount, by: 10_000) {
            var changes: [LocalChange] = []
            try check(floor_rows_begin(floor), "floor_rows_begin")
            for number in start..<min(start + 10_000, rowCount) {
                stamp(&document, number)
                let key = Samples.cacheKey(number)
                let sealed = try cipher.seal(document, key: key, compressed: true)
                changes.append(
                    LocalChange(
                        key: key, value: sealed, form: .sealed(fingerprint), mode: .native,
                        expiresAt: Timestamp(milliseconds: 4_000_000_000_000)))
                try check(
                    floor_rows_put(floor, Samples.floorKey(number), sealed, sealed.count), "floor_rows_put")
            }
            try check(floor_rows_commit(floor), "floor_rows_commit")
            try await filled.commit(changes)
        }
        try FileLog(folder.path("floor.db")).move()
        await filled.close()
        store = try await openStore(path)
    }

    deinit {
        floor_rows_close(floor)
        folder.remove()
    }

    /// The store's public read of one key, and opening what it holds.
    func ours(seed: Int) -> Contest.Side {
        nonisolated(unsafe) var draw = Draw(rowCount, seed: seed)
        return { count in
            let keys = (0..<count).map { _ in Samples.cacheKey(draw.next()) }
            return try await timed { _ in
                for key in keys {
                    guard let entry = try await self.store.read([key])[0], let sealed = entry.value,
                        case .sealed(let fingerprint) = entry.form
                    else { throw FloorFailure(call: "SQLiteStore.read") }
                    keep(try self.cipher.open(sealed, key: key, compressed: true, fingerprint: fingerprint).count)
                }
            }(count)
        }
    }

    /// A `SELECT` by its own transaction, a copy, and EVP into memory allocated for it.
    func floor(seed: Int) -> Contest.Side {
        nonisolated(unsafe) var draw = Draw(rowCount, seed: seed)
        nonisolated(unsafe) var sealed = [UInt8](repeating: 0, count: Self.sealedCount)
        return { count in
            let numbers = (0..<count).map { _ in draw.next() }
            let keys = numbers.flatMap { Samples.floorKey($0) }
            let bound = numbers.flatMap {
                AssociatedData.v3(tenant: "default", key: Samples.cacheKey($0), compressed: true)
            }
            return try await timed { _ in
                try keys.withUnsafeBytes { keys in
                    try bound.withUnsafeBytes { bound in
                        for index in 0..<count {
                            let found = floor_rows_get(
                                self.floor, keys.baseAddress! + index * 32, &sealed, Self.sealedCount)
                            guard found == Self.sealedCount else { throw FloorFailure(call: "floor_rows_get") }
                            let associatedData = bound.baseAddress! + index * Self.associatedDataCount
                            try check(
                                floor_open_fresh(
                                    self.floorCipher.cipher, associatedData, Self.associatedDataCount, sealed,
                                    Self.sealedCount), "floor_open_fresh")
                        }
                    }
                }
            }(count)
        }
    }

    /// The same read of keys that have no row.
    func oursMissing() -> Contest.Side {
        nonisolated(unsafe) var number = rowCount
        return { count in
            let keys = (0..<count).map { _ in
                number += 1
                return Samples.cacheKey(number)
            }
            return try await timed { _ in
                for key in keys where try await self.store.read([key])[0] != nil {
                    throw FloorFailure(call: "SQLiteStore.read")
                }
            }(count)
        }
    }

    func floorMissing() -> Contest.Side {
        nonisolated(unsafe) var number = rowCount
        nonisolated(unsafe) var sealed = [UInt8](repeating: 0, count: Self.sealedCount)
        return { count in
            let keys = (0..<count).flatMap { _ in
                number += 1
                return Samples.floorKey(number)
            }
            return try await timed { _ in
                try keys.withUnsafeBytes { keys in
                    for index in 0..<count {
                        let found = floor_rows_get(
                            self.floor, keys.baseAddress! + index * 32, &sealed, Self.sealedCount)
                        guard found == 0 else { throw FloorFailure(call: "floor_rows_get") }
                    }
                }
            }(count)
        }
    }
}

/// Filled once per run and shared by the figures that read so many rows: filling a million takes longer than measuring.
actor FilledSides {
    static let shared = FilledSides()
    private var sides: [Int: ReadSides] = [:]

    func sides(rowCount: Int) async throws -> ReadSides {
        if let filled = sides[rowCount] { return filled }
        let filled = try await ReadSides(rowCount: rowCount)
        sides[rowCount] = filled
        return filled
    }

    /// Closes and removes them; at the end of a run.
    func removeAll() async {
        for sides in sides.values { await sides.store.close() }
        sides = [:]
    }
}
