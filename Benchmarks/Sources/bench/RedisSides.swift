import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Floors
import Foundation
import Logging

/// A throwaway server, or the reason why there is none.
func startRedis() async throws -> RedisServer {
    guard RedisServer.isInstalled else { throw Contest.Unavailable(reason: "redis-server is not installed") }
    return try await RedisServer.start()
}

/// A server with values of 1 KiB and both clients on it.
///
/// Ours is the store's public read, which sends `GET` and `PTTL` of each key in a transaction; every floor sends `GET` alone.
final class RedisSides: Sendable {
    enum Transport: String, CaseIterable, Sendable {
        case unix = "unix socket"
        case tcp = "TCP"
    }

    static let valueCount = 1024
    /// How many keys there are; more than a processor's caches hold.
    static let keyCount = 10_000

    let transport: Transport
    let server: RedisServer
    let store: RedisStore
    let keys: [CacheKey]
    private let floorKeys: [[UInt8]]
    /// One task at a time: the sides of a contest take turns.
    nonisolated(unsafe) private let floor: OpaquePointer

    init(_ transport: Transport) async throws {
        self.transport = transport
        server = try await startRedis()
        let isUnix = transport == .unix
        let context = RemoteStoreContext(
            logger: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }), maximumValueBytes: 16 << 20)
        store = try RedisStore(RedisConfiguration(isUnix ? server.unixURL : server.url), context: context)
        let connected = isUnix ? floor_redis_connect(server.socketPath) : floor_redis_connect_tcp(Int32(server.port))
        guard let connected else { throw FloorFailure(call: "floor_redis_connect") }
        floor = connected
        keys = Samples.order(Self.keyCount).map { Samples.cacheKey($0) }
        floorKeys = keys.map { Array($0.string.utf8) }
        _ = try await store.write(
            keys.indices.map { index in
                let value = Samples.randomBytes(Self.valueCount, seed: UInt64(index))
                return RemoteWrite(key: keys[index], action: .put(value, timeToLive: .seconds(3600)))
            })
    }

    func finish() async {
        await store.close()
        floor_redis_close(floor)
        server.stop()
    }

    /// One key in one call.
    func read(_ number: Int) async throws {
        guard try await store.read([keys[number % Self.keyCount]])[0]?.value.count == Self.valueCount else {
            throw FloorFailure(call: "RedisStore.read")
        }
    }

    /// So many keys, one call after the other.
    func readInTurn(_ count: Int) async throws {
        for number in 0..<count { try await read(number) }
    }

    /// So many keys, each in a call of its own, by 64 tasks at once. The tasks are kept: to make one costs 1.5 us, which is
    /// no store's doing.
    func readConcurrently(_ count: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<64 {
                group.addTask {
                    for number in stride(from: task, to: count, by: 64) { try await self.read(number) }
                }
            }
            try await group.waitForAll()
        }
    }

    /// So many calls of a thousand keys each.
    func readMany(_ count: Int) async throws {
        for call in 0..<count {
            let start = call * 1000 % Self.keyCount
            let entries = try await store.read(Array(keys[start..<start + 1000]))
            guard entries.allSatisfy({ $0?.value.count == Self.valueCount }) else {
                throw FloorFailure(call: "RedisStore.read")
            }
        }
    }

    /// So many times a pipeline of so many `GET`.
    func floorRead(_ count: Int, pipeline: Int) throws {
        var number = 0
        for _ in 0..<count {
            for _ in 0..<pipeline {
                let key = floorKeys[number % Self.keyCount]
                try check(floor_redis_append_get(floor, key, key.count), "floor_redis_append_get")
                number += 1
            }
            try check(floor_redis_values(floor, pipeline, Self.valueCount), "floor_redis_values")
        }
    }
}
