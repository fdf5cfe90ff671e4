import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// A Cluster that lets nobody in without a password, and one user to a few keys and commands only.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct ClusterLoginTests {
    private static let options = [
        "--requirepass", "for-operators", "--masterauth", "for-operators",
        "--user", "app", "on", ">for-the-app", "~own*", "&*", "+@all", "-@admin", "-@dangerous",
    ]

    private func url(_ user: String, _ server: RedisServer) -> String {
        "redis+cluster://\(user)127.0.0.1:\(server.port)"
    }

    /// Values of every master are written and read.
    private func expectValues(_ store: RedisStore, _ keys: [String], _ value: UInt8) async throws {
        for result in try await store.write(try keys.map { try put($0, [value]) }) {
            guard case .applied = result else { throw CacheError(.internalFault, "not applied: \(result)") }
        }
        let read = try await store.read(try keys.map { try CacheKey($0) })
        #expect(read.map { $0?.value } == keys.map { _ in [value] })
    }

    @Test
    func `a user with few rights reads, writes and hears of changes on every server, before and after a failover`()
        async throws
    {
        let cluster = try await RedisCluster.start(options: Self.options)
        defer { cluster.stop() }
        // That the options took hold: nobody gets in otherwise.
        for server in cluster.servers { #expect(server.ask("PING").hasPrefix("-NOAUTH")) }
        let keys = cluster.masters.indices.map { cluster.tag(ofMaster: $0, "own") }
        let address = url("app:for-the-app@", cluster.masters[0])
        let store = try makeStore(address)
        let other = try makeStore(url(":for-operators@", cluster.masters[1]))
        try await expectValues(other, keys, 0)
        try await expectValues(store, keys, 1)
        try await store.whileFollowing { told in
            try #require(await eventually { store.isActive && told.everythings > 0 })
            let (old, new) = (cluster.masters[1], cluster.replicas[1])
            #expect(new.command("CLUSTER", "FAILOVER") == .text("OK"))
            #expect(await eventually { new.command("INFO", "replication")?.text?.contains("role:master") == true })
            // The old one logs in to the new one as its replica.
            try await cluster.waitUntilReady()
            try await expectValues(store, keys, 2)
            #expect(store.clusterCounts.moved > 0)
            #expect(
                await eventually {
                    store.isActive
                        && new.command("CLIENT", "LIST", "TYPE", "pubsub")?.text?.contains("user=app") == true
                        && old.command("CLIENT", "LIST", "TYPE", "pubsub")?.text?.contains("user=app") == false
                })
            for key in keys {
                told.clear()
                try await expectValues(other, [key], 3)
                #expect(await told.hears(of: key))
            }
        }
        // From replicas, too: those log in like masters.
        let reader = try makeStore(address) { $0.readsFromReplicas = true }
        let cacheKeys = try keys.map { try CacheKey($0) }
        #expect(await eventually { (try? await reader.read(cacheKeys).map { $0?.value }) == keys.map { _ in [3] } })
        #expect(reader.clusterCounts.replicaFallbacks == 0)
        // Nothing of all that was refused anywhere.
        for server in cluster.servers { #expect(server.command("ACL", "LOG") == .array([])) }
        // It is that user who was let in: other keys are not for it.
        let foreign = cluster.tag(ofMaster: 2, "foreign")
        guard case .failed(let error) = try await store.write([try put(foreign, [1])])[0] else {
            throw CacheError(.internalFault, "written with the rights of another user")
        }
        #expect(error.code == .remoteAuthentication)
        for store in [store, other, reader] { await store.close() }
    }

    @Test func `a missing or wrong password is an authentication error that does not say it`() async throws {
        let cluster = try await RedisCluster.start(masterCount: 1, options: Self.options)
        defer { cluster.stop() }
        for user in ["", ":not-this-one@", "app:not-this-one@", "nobody:not-this-one@"] {
            let store = try makeStore(url(user, cluster.masters[0]))
            do {
                try await store.ping()
                Issue.record("let in")
            } catch {
                #expect(error.code == .remoteAuthentication, "\(error)")
                #expect(!"\(error)".contains("not-this-one"))
            }
            await store.close()
        }
    }
}
