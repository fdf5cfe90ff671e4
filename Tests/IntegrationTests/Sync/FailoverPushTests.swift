import CacheKit
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Testing

/// Masters die, and slots move, in the middle of a push.
@Suite(
    .serialized, .timeLimit(.minutes(3)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct FailoverPushTests {
    private let keys = (0..<20_000).map { "k\($0)" }

    /// Fills a file, pushes it while something happens, and waits until everything is there.
    private func push(
        _ url: String, reader: String? = nil, _ servers: [RedisServer], _ event: (Cache) async throws -> Void
    ) async throws -> SyncStatus {
        let scene = try SyncScene()
        let filler = try await Cache(local: .sqlite(path: scene.path("a")), encryption: SyncScene.encryption())
        try await filler.write(keys, 1)
        await filler.shutdown()
        let node = try await scene.node(url) {
            $0.batchChanges = 500
            $0.marksInterval = .milliseconds(500)
        }
        let status = try await node.running(drain: .seconds(1)) {
            try await eventually("some of the push") { try await node.syncStatus()?.outcomes.applied ?? 0 >= 2000 }
            try await event(node)
            #expect(try await node.syncStatus()?.backlog.changes ?? 0 > 0, "the push was over too early")
            var missing = 0
            try await eventually("all of the push", within: .seconds(90)) {
                let held = (try? await SyncScene.numbers(reader ?? url, keys)) ?? [:]
                missing = keys.count - held.count
                return missing == 0
            }
            return try await node.settled()
        }
        #expect(status.outcomes.applied == keys.count && status.outcomes.ended == keys.count, "\(status.outcomes)")
        // Every key once, and nothing but keys and buckets: two SDKs' worth of nothing else.
        let named = servers.reduce(0) { $0 + (Int($1.command("DBSIZE")?.text ?? "") ?? 0) }
        let buckets = servers.reduce(0) { count, server in
            guard case .array(let names)? = server.command("KEYS", "ckv:*") else { return count }
            return count + names.count
        }
        #expect(named - buckets == keys.count, "\(named) keys, \(buckets) of them buckets")
        return status
    }

    /// Kills a master whose replica lacks the last of what the node knows to have taken effect.
    private func loseTail(_ node: Cache, _ master: RedisServer, _ replica: RedisServer) async throws {
        // Halted, it can't connect again either; what it has not read yet it reads later.
        replica.pause()
        _ = master.command("CLIENT", "KILL", "TYPE", "REPLICA")
        let applied = try await node.syncStatus()?.outcomes.applied ?? 0
        try await eventually("more of the push") {
            try await node.syncStatus()?.outcomes.applied ?? 0 >= applied + 1500
        }
        master.kill9()
        replica.resume()
    }

    @Test func `the master behind sentinels is killed in the middle of a push`() async throws {
        let set = try await RedisSentinelSet.start()
        let status = try await push(set.url, [set.servers[1]]) { node in
            try await loseTail(node, set.servers[0], set.servers[1])
        }
        print("sentinels: \(status.outcomes)")
        #expect(status.outcomes.resent > 0, "the replica had everything")
        #expect(status.lostBuckets == 0)
        set.stop()
    }

    @Test func `a master of a Cluster is killed in the middle of a push`() async throws {
        let cluster = try await RedisCluster.start(nodeTimeout: .seconds(1), failsOver: true)
        let status = try await push(
            // Whoever comes later can't begin with the dead one.
            cluster.url, reader: "redis+cluster://127.0.0.1:\(cluster.masters[1].port)",
            [cluster.replicas[0], cluster.masters[1], cluster.masters[2]]
        ) { node in
            try await loseTail(node, cluster.masters[0], cluster.replicas[0])
        }
        print("a Cluster's master: \(status.outcomes)")
        #expect(status.outcomes.resent > 0, "the replica had everything")
        cluster.stop()
    }

    @Test func `slots of a Cluster move in the middle of a push`() async throws {
        let cluster = try await RedisCluster.start()
        var (slots, moved) = (0, 0)
        let status = try await push(cluster.url, cluster.masters) { node in
            for slot in cluster.slots(ofMaster: 0) {
                // The end of the push meets the slots where they are then.
                guard try await node.syncStatus()?.backlog.changes ?? 0 > 2000 else { break }
                moved += try move(String(slot), from: 0, to: 1, in: cluster)
                slots += 1
            }
        }
        print("\(slots) slots with \(moved) keys moved: \(status.outcomes)")
        #expect(moved > 0 && status.outcomes.resent == 0)
        cluster.stop()
    }

    /// Moves a slot as an operator does; returns how many keys.
    private func move(_ slot: String, from source: Int, to target: Int, in cluster: RedisCluster) throws -> Int {
        let (old, new) = (cluster.masters[source], cluster.masters[target])
        let owner = cluster.identifier(of: new)
        _ = new.command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.identifier(of: old))
        _ = old.command("CLUSTER", "SETSLOT", slot, "MIGRATING", owner)
        var count = 0
        while case .array(let names)? = old.command("CLUSTER", "GETKEYSINSLOT", slot, "100"), !names.isEmpty {
            for name in names.compactMap(\.text) {
                #expect(
                    old.command("MIGRATE", "127.0.0.1", String(new.port), name, "0", "5000")?.text != nil)
            }
            count += names.count
        }
        for server in [new, old] + cluster.masters.filter({ $0 !== new && $0 !== old }) {
            _ = server.command("CLUSTER", "SETSLOT", slot, "NODE", owner)
        }
        return count
    }
}
