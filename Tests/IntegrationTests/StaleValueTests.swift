import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Testing

/// Stale values beside a Redis that tells when a life has ended there.
@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct StaleValueTests {
    @Test(arguments: [false, true])
    func `a value is served past its life though Redis tells that it is gone there`(hasFile: Bool) async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        defer { server.stop() }
        let cache =
            hasFile
            ? try await scene.node(server.url, file: "a")
            : try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let numbers = cache.namespace("n", of: Int.self, ttl: .milliseconds(300), loading: loading)
        try await cache.running {
            try await eventually("following") {
                if case .active = await cache.health().following { true } else { false }
            }
            let told = cache.statistics().invalidatedKeys
            try await numbers.set(1, for: "k")
            // Redis looks for what has ended ten times a second.
            try await eventually("the end of the life") { cache.statistics().invalidatedKeys > told }
            for _ in 0..<2 {
                #expect(try await numbers.getOrSet("k") { throw CacheError(.invalidArgument, "no") } == 1)
                #expect(try await numbers.getOrSet(["k"]) { _ in throw CacheError(.invalidArgument, "no") } == ["k": 1])
            }
            // Another node's value is found all the same.
            let other = try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
            try await other.namespace("n", of: Int.self, ttl: .seconds(100)).set(2, for: "k")
            try await eventually("the new value") {
                try await numbers.getOrSet("k") { throw CacheError(.invalidArgument, "no") } == 2
            }
            await other.shutdown()
        }
    }
}
