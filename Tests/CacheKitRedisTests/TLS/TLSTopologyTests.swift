import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// Every kind of address over TLS, and what others change is heard of.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct TLSTopologyTests {
    private let authority: TestAuthority
    private let security: RedisServer.Security

    init() throws {
        authority = try TestAuthority()
        security = try RedisServer.Security(authority)
    }

    private func makeStore(_ url: String) throws -> RedisStore {
        try CacheKitRedisTests.makeStore(url) {
            var tls = RedisTLS()
            tls.trust = .only(.pem(authority.certificate))
            $0.tls = tls
        }
    }

    /// Values go both ways; what another client writes and deletes is told.
    private func expectAll(_ url: String, keys: [String]) async throws {
        #expect(url.hasPrefix("rediss"))
        let store = try makeStore(url)
        let other = try makeStore(url)
        _ = try await store.write(try keys.map { try put($0, Array($0.utf8)) })
        let cacheKeys = try keys.map { try CacheKey($0) }
        #expect(try await store.read(cacheKeys).map { $0?.value } == keys.map { Array($0.utf8) })
        try await store.whileFollowing { told in
            try #require(await eventually { store.isActive && told.everythings > 0 })
            try await other.ping()
            for key in cacheKeys {
                told.clear()
                _ = try await other.write([try put(key.string, [1])])
                #expect(await told.hears(of: key.string), "SET")
                told.clear()
                _ = try await other.write([RemoteWrite(key: key, action: .delete)])
                #expect(await told.hears(of: key.string), "DEL")
            }
            told.clear()
            _ = try await store.write([try put(keys[0], [1])])
            _ = try await other.write([try put(keys[0] + "-last", [1])])
            #expect(await eventually { told.keys.contains(keys[0] + "-last") })
            #expect(told.everythings == 0)
        }
        await store.close()
        await other.close()
        // The plain scheme gets nowhere.
        let plain = try CacheKitRedisTests.makeStore("redis" + url.dropFirst(6))
        #expect(await code { try await plain.ping() } != nil)
        await plain.close()
    }

    @Test func `one server`() async throws {
        let server = try await RedisServer.start(security: security)
        try await expectAll(server.url, keys: ["a"])
    }

    @Test func `a set of sentinels and servers`() async throws {
        let set = try await RedisSentinelSet.start(security: security)
        defer { set.stop() }
        try await expectAll(set.url, keys: ["a"])
    }

    @Test func `a Cluster`() async throws {
        let cluster = try await RedisCluster.start(security: security)
        defer { cluster.stop() }
        try await expectAll(cluster.url, keys: cluster.masters.indices.map { cluster.tag(ofMaster: $0, "tls") })
    }
}
