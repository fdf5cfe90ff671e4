import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// The master that sentinels name is followed, wherever it goes.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"),
    .sentinelSet)
struct SentinelInvalidationTests {
    private let set: RedisSentinelSet

    init() throws {
        set = try #require(SentinelSetTrait.set)
    }

    private func makeStore() throws -> RedisStore {
        try CacheKitRedisTests.makeStore(set.url) {
            $0.sentinelCredentials = { RedisCredentials(password: SentinelSetTrait.sentinelPassword) }
            $0.maximumBackoff = .milliseconds(100)
        }
    }

    /// Which of the servers is the master, by what they say themselves.
    private func master() throws -> RedisServer {
        try #require(set.servers.first { set.ask($0, "ROLE").contains("master") })
    }

    /// By the store's connection: the sentinels listen to every server, too.
    private func isListenedTo(_ server: RedisServer) -> Bool {
        set.ask(server, "CLIENT LIST TYPE pubsub").contains("name=cachekit ")
    }

    /// What another client changes on the master is told.
    private func expectHeard(_ told: Told, _ other: RedisStore, on master: RedisServer, _ key: String) async throws {
        // A server that was master goes on taking writes until it has heard that it is none.
        #expect(
            await eventually {
                _ = try? await other.ping()
                return (try? await other.masters()) == [.tcp(host: "127.0.0.1", port: master.port)]
            })
        told.clear()
        guard case .applied = try await other.write([try put(key, [1])])[0] else {
            throw CacheError(.internalFault, "the master took no write")
        }
        #expect(await told.hears(of: key), "SET")
        told.clear()
        _ = try await other.write([RemoteWrite(key: try CacheKey(key), action: .delete)])
        #expect(await told.hears(of: key), "DEL")
    }

    /// A store that follows, another client, the master and who could take its place.
    private func withFollower(
        _ body: (RedisStore, RedisStore, Told, _ old: RedisServer, _ new: RedisServer) async throws -> Void
    ) async throws {
        try await set.waitUntilReady()
        let old = try master()
        let new = try #require(set.servers.first { $0 !== old })
        let store = try makeStore()
        let other = try makeStore()
        try await store.whileFollowing { told in
            // Nobody calls: the follower makes the connection.
            try #require(await eventually { store.isActive && told.everythings > 0 })
            try await expectHeard(told, other, on: old, "before")
            told.clear()
            try await body(store, other, told, old, new)
        }
        await store.close()
        await other.close()
    }

    @Test func `a planned failover is followed to the new master`() async throws {
        try await withFollower { store, other, told, old, new in
            // Refused while the sentinel's picture of the replica is not fresh.
            #expect(
                await eventually {
                    set.ask(set.sentinels[1], "SENTINEL FAILOVER \(set.name)").contains("+OK\r\n+OK")
                })
            #expect(await eventually { isListenedTo(new) && !isListenedTo(old) })
            #expect(await eventually { store.isActive && told.everythings > 0 })
            try await expectHeard(told, other, on: new, "planned")
        }
    }

    @Test func `after the master's death everything is unverified and its successor is heard`() async throws {
        try await withFollower { store, other, told, old, new in
            old.kill9()
            #expect(await eventually { store.isLost && told.everythings > 0 })
            told.clear()
            #expect(await eventually { store.isActive && isListenedTo(new) && told.everythings > 0 })
            try await expectHeard(told, other, on: new, "death")
            try await old.restart()
        }
    }
}
