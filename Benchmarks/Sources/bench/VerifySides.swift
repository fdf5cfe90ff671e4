import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSync
import CacheKitTesting
import Floors
import Logging

/// A node with 100,000 sealed values of 1 KiB that its server has too, and hiredis on the same server.
final class VerifySides: Sendable {
    static let keyCount = 100_000
    private static let smallCount = 40
    /// Keys of small values for the floor; more than a processor's caches hold.
    private static let smallKeyCount = 10_000

    private let server: RedisServer
    private let node: PushNode
    private let keys: [CacheKey]
    private let smallKeys: [CacheKey]
    private let floorKeys: [[UInt8]]
    private let store: RedisStore
    // One task at a time: the sides of a contest take turns.
    nonisolated(unsafe) private let redis: OpaquePointer
    nonisolated(unsafe) private var next = 0
    nonisolated(unsafe) private var unverifiedReads = 0

    init() async throws {
        server = try await startRedis()
        guard let redis = floor_redis_connect(server.socketPath) else {
            throw FloorFailure(call: "floor_redis_connect")
        }
        self.redis = redis
        let context = RemoteStoreContext(
            logger: Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() }), maximumValueBytes: 16 << 20)
        store = try RedisStore(RedisConfiguration(server.unixURL), context: context)
        node = try await PushNode(server, SyncConfiguration())
        keys = Samples.order(Self.keyCount).map { Samples.cacheKey($0) }
        smallKeys = Samples.order(Self.smallKeyCount).map { Samples.cacheKey(Self.keyCount + $0) }
        floorKeys = smallKeys.map { Array($0.string.utf8) }
        try await node.commit(keys, stampedFrom: 0)
        try await node.push()
    }

    func finish() async {
        await node.finish()
        await store.close()
        floor_redis_close(redis)
        server.stop()
    }

    // MARK: Ours

    func compare() async throws {
        let report = try await node.cache.compareWithRemote()
        guard report.same == Self.keyCount else { throw FloorFailure(call: "compareWithRemote") }
    }

    func reconcile() async throws {
        let report = try await node.cache.reconcile()
        guard report.unchanged == Self.keyCount else { throw FloorFailure(call: "reconcile") }
    }

    /// One key whose row may be out of date for all the node knows: it was not there when the server began to hear of it.
    ///
    /// No more keys than 65,536 are remembered as verified, and all are read in turn, so each has been forgotten when its turn comes
    /// again. Memory holds nothing.
    func readUnverified() async throws {
        if unverifiedReads.isMultiple(of: 1_000), node.cache.statistics().remoteHits != unverifiedReads {
            throw FloorFailure(call: "get, which did not ask the remote")
        }
        let key = keys[unverifiedReads % keys.count]
        unverifiedReads += 1
        guard try await node.cache.bytes.get(key)?.count == 1024 else { throw FloorFailure(call: "get") }
    }

    // MARK: Floors

    /// Stores values of 40 bytes, which floors read.
    func storeSmall() async throws {
        let results = try await store.write(
            smallKeys.indices.map { index in
                let value = Samples.randomBytes(Self.smallCount, seed: UInt64(index))
                return RemoteWrite(key: smallKeys[index], action: .put(value, timeToLive: .seconds(3600)))
            })
        guard results.count == smallKeys.count else { throw FloorFailure(call: "RedisStore.write") }
    }

    /// So many `GET` of a small value, so many in a pipeline.
    func readSmall(_ count: Int, pipeline: Int) throws {
        for start in stride(from: 0, to: count, by: pipeline) {
            for offset in 0..<pipeline {
                let key = floorKeys[(next + start + offset) % floorKeys.count]
                try check(floor_redis_append_get(redis, key, key.count), "floor_redis_append_get")
            }
            try check(floor_redis_values(redis, pipeline, Self.smallCount), "floor_redis_values")
        }
        next += count
    }

    /// One small value in one call of our store.
    func readSmallByStore() async throws {
        next += 1
        guard try await store.read([smallKeys[next % smallKeys.count]])[0]?.value.count == Self.smallCount else {
            throw FloorFailure(call: "RedisStore.read")
        }
    }

    /// All keys of the server.
    func scan() throws {
        guard floor_redis_scan(redis, 1_000) >= Self.keyCount else { throw FloorFailure(call: "floor_redis_scan") }
    }
}
