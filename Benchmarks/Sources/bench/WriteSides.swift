import CacheKit
import CacheKitCore
import CacheKitSQLite
import Floors
import Logging

/// A store and a floor's database that hold the same rows.
struct WriteSides: Sendable {
    /// The floor's connection belongs to one task at a time: the sides of a contest take turns.
    nonisolated(unsafe) let floor: OpaquePointer
    let store: SQLiteStore
    let folder: TemporaryFolder
    let keys: [CacheKey]
    let floorKeys: [[UInt8]]
    let storeLog: FileLog
    let floorLog: FileLog
    private let fingerprint = KeyFingerprint(high: 1, low: 2)
    private let value = Samples.randomBytes(1024, seed: 1)

    init(
        keyCount: Int, preloaded: Int? = nil, durability: SQLiteConfiguration.Durability = .full,
        checkpointPages: Int32 = 0
    ) async throws {
        folder = try TemporaryFolder()
        store = try await openStore(folder.path("cache.db"), durability)
        let isFull: Int32 = durability == .full ? 1 : 0
        guard let floor = floor_rows_open(folder.path("floor.db"), isFull, checkpointPages) else {
            throw FloorFailure(call: "floor_rows_open")
        }
        self.floor = floor
        storeLog = try FileLog(folder.path("cache.db"))
        floorLog = try FileLog(folder.path("floor.db"))
        keys = try Samples.keys(keyCount).map { try CacheKey($0) }
        floorKeys = (0..<keyCount).map { Samples.floorKey($0) }
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
        try check(floor_rows_put(floor, floorKeys[number], value, value.count), "floor_rows_put")
    }

    func commitFloor(_ numbers: some Sequence<Int>, stampedFrom first: Int) throws {
        try check(floor_rows_begin(floor), "floor_rows_begin")
        for (offset, number) in numbers.enumerated() { try putFloor(number, stamped: first + offset) }
        try check(floor_rows_commit(floor), "floor_rows_commit")
    }

    /// Both logs are empty and nobody is at work when a slice begins.
    func settleDown() async throws {
        try storeLog.move()
        try floorLog.move()
        try await Task.sleep(for: .milliseconds(30))
    }

    /// A side whose commits are timed, and the moving of the log only as far as it holds them up.
    func timed(_ body: @escaping (Int) async throws -> Void) -> Contest.Side {
        let measured: Contest.Side = bench.timed(body)
        return { count in
            try await settleDown()
            return try await measured(count)
        }
    }

    /// A side whose time ends when its log has been moved whole: all the work that its writes make.
    func timed(
        withLog log: FileLog, _ body: @escaping (Int) async throws -> Void
    ) -> Contest.Side {
        timed { count in
            try await body(count)
            try log.move()
        }
    }

    func finish() async {
        await store.close()
        floor_rows_close(floor)
        folder.remove()
    }
}

/// A store without a remote, opened as a cache opens it.
func openStore(
    _ path: String, _ durability: SQLiteConfiguration.Durability = .full
) async throws -> SQLiteStore {
    var configuration = SQLiteConfiguration(path: path)
    configuration.durability = durability
    configuration.sizeLimit = 16 << 30
    return try await SQLiteStore.open(
        configuration,
        LocalStoreContext(
            keyring: Samples.keyring(), tenant: "default", hasRemote: false, clock: .system,
            logger: Logger(label: "bench")))
}
