import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Synchronization
import Testing

/// One load of a key in a fleet whose nodes have files, so that the remote gets a value later than its loader.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct FleetLoadTests {
    @Test func `of all tasks of two nodes with files one loads each key`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        defer { server.stop() }
        let (first, second) = (try await scene.node(server.url, file: "a"), try await scene.node(server.url, file: "b"))
        var policy = LoadingPolicy()
        policy.isOnePerFile = true
        policy.isOnePerFleet = true
        policy.loadElsewhereTimeout = .seconds(20)
        let loads = LoadCount()
        let rounds = TestEffort.count(short: 10, long: 100)
        try await first.running {
            try await second.running {
                for round in 0..<rounds {
                    let values = try await withThrowingTaskGroup(of: Int.self) { group in
                        for caller in 0..<16 {
                            let cache = caller % 2 == 0 ? first : second
                            group.addTask { [policy] in
                                let numbers = cache.namespace("n", of: Int.self, loading: policy)
                                return try await numbers.getOrSet("\(round)") {
                                    loads.add("\(round)")
                                    return caller
                                }
                            }
                        }
                        return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
                    }
                    #expect(values.count == 1, "round \(round): \(values)")
                }
            }
        }
        #expect(loads.all.values.max() == 1)
        #expect(loads.all.count == rounds)
        // Nothing is left of the locks once the nodes have been shut down.
        let reader = try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
        let locks = try (0..<rounds).map { try CacheKey("n:\($0):lock") }
        for lock in locks { #expect(try await reader.bytes.contains(lock) == false) }
        await reader.shutdown()
    }
}

/// How often each key was loaded.
private final class LoadCount: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    var all: [String: Int] { counts.withLock { $0 } }
    func add(_ key: String) { counts.withLock { $0[key, default: 0] += 1 } }
}
