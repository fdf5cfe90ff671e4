import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// A Cluster whose masters are followed, and replaced.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"),
    .failingOverRedisCluster)
struct ClusterInvalidationTests {
    private let cluster: RedisCluster

    init() throws {
        cluster = try #require(ClusterTrait.cluster)
    }

    private func isMaster(_ server: RedisServer) -> Bool {
        server.command("INFO", "replication")?.text?.contains("role:master") == true
    }

    /// Who has the slots that a master had when it was set up, and who follows it.
    private func shard(_ index: Int) throws -> (master: RedisServer, replica: RedisServer) {
        let pair = [cluster.masters[index], cluster.replicas[index]]
        let master = try #require(pair.first(where: isMaster))
        return (master, try #require(pair.first { $0 !== master }))
    }

    private func isListenedTo(_ server: RedisServer) -> Bool {
        server.command("CLIENT", "LIST", "TYPE", "pubsub")?.text?.contains("sub=1") == true
    }

    /// What another client changes on each master is told.
    private func expectHeard(_ told: Told, _ other: RedisStore, _ prefix: String) async throws {
        for index in cluster.masters.indices {
            let key = cluster.tag(ofMaster: index, "\(prefix)-\(index)-")
            _ = try await other.write([try put(key, [1])])
            #expect(await told.hears(of: key), "master \(index), SET")
            told.clear()
            _ = try await other.write([RemoteWrite(key: try CacheKey(key), action: .delete)])
            #expect(await told.hears(of: key), "master \(index), DEL")
        }
    }

    /// A store that has read from every master and follows, and another client.
    private func withFollower(
        _ change: (inout RedisConfiguration) -> Void = { _ in },
        _ body: (_ store: RedisStore, _ read: () async throws -> Void, RedisStore, Told) async throws -> Void
    ) async throws {
        // Those that a test before killed.
        for server in cluster.servers where server.processIdentifier == nil { try await server.restart() }
        try await cluster.waitUntilReady()
        let store = try makeStore(cluster.url, change)
        let other = try makeStore(cluster.url)
        let keys = try cluster.masters.indices.map { try CacheKey(cluster.tag(ofMaster: $0, "held")) }
        func read() async throws { _ = try await store.read(keys) }
        try await read()
        // Later the server that the address names may be dead.
        try await other.ping()
        try await store.whileFollowing { told in
            try #require(await eventually { store.isActive && told.everythings > 0 })
            told.clear()
            try await body(store, read, other, told)
        }
        await store.close()
        await other.close()
    }

    @Test func `what others write, delete and flush on any master is told, and what the store writes is not`()
        async throws
    {
        try await withFollower { store, read, other, told in
            try await expectHeard(told, other, "any")
            for index in cluster.masters.indices {
                told.clear()
                let own = cluster.tag(ofMaster: index, "own")
                let last = cluster.tag(ofMaster: index, "last")
                _ = try await store.write([try put(own, [1])])
                _ = try await other.write([try put(last, [1])])
                #expect(await told.hears(of: last))
                #expect(told.keys == [last] && told.everythings == 0)
                #expect(try shard(index).master.command("FLUSHALL") == .text("OK"))
                #expect(await eventually { told.everythings == 1 })
            }
        }
    }

    @Test func `a planned failover is followed to the new master`() async throws {
        try await withFollower { store, read, other, told in
            for round in 0..<2 {
                told.clear()
                let (old, new) = try shard(1)
                #expect(new.command("CLUSTER", "FAILOVER") == .text("OK"))
                #expect(await eventually { isMaster(new) })
                try await cluster.waitUntilReady()
                // Nobody has called since: the old master passes on what it hears of the new one.
                try await expectHeard(told, other, "planned-\(round)")
                #expect(
                    await eventually {
                        try? await read()
                        return isListenedTo(new) && !isListenedTo(old)
                    })
                #expect(await eventually { store.isActive && told.everythings > 0 })
                try await expectHeard(told, other, "moved-\(round)")
            }
        }
    }

    @Test(arguments: [false, true])
    func `after a master's death everything is unverified and its successor is heard`(_ isUsed: Bool) async throws {
        try await withFollower {
            $0.maximumBackoff = .milliseconds(100)
        } _: { store, read, other, told in
            let (old, new) = try shard(0)
            old.kill9()
            #expect(await eventually { store.isLost && told.everythings > 0 })
            #expect(await eventually { isMaster(new) })
            // The follower finds the new one, whether or not anybody calls.
            #expect(
                await eventually {
                    if isUsed { try? await read() }
                    return store.isActive && isListenedTo(new)
                })
            #expect(await eventually { (try? await read()) != nil })
            // The others may not have heard yet that all slots are served again.
            for index in cluster.masters.indices {
                let probe = try put(cluster.tag(ofMaster: index, "probe"), [1])
                #expect(
                    await eventually {
                        if case .applied? = try? await other.write([probe]).first { true } else { false }
                    })
            }
            try await expectHeard(told, other, "death-\(isUsed)")
        }
    }
}
