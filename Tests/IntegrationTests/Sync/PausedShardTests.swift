import CacheKit
import CacheKitSync
import CacheKitTesting
import Testing

/// One server of a Cluster stands still, and the others go on.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct PausedShardTests {
    /// Keys, by the master that has their slot.
    private func sorted(_ keys: [String], _ cluster: RedisCluster) throws -> [[String]] {
        var sorted = [[String]](repeating: [], count: cluster.masters.count)
        for key in keys {
            let reply = cluster.masters[0].command("CLUSTER", "KEYSLOT", "\(SyncScene.namespace):\(key)")
            let slot = try #require(reply?.text.flatMap { Int($0) })
            let owner = try #require(cluster.masters.indices.first { cluster.slots(ofMaster: $0).contains(slot) })
            sorted[owner].append(key)
        }
        return sorted
    }

    private func isThere(_ key: String, _ server: RedisServer) -> Bool {
        server.command("EXISTS", "\(SyncScene.namespace):\(key)") == .text("1")
    }

    @Test func `changes of other shards arrive while one stands still, and its own when it is back`() async throws {
        let cluster = try await RedisCluster.start(
            nodeTimeout: .seconds(30), options: ["--cluster-require-full-coverage", "no"])
        let scene = try SyncScene()
        let node = try await scene.node(cluster.url)
        let rounds = 12
        let keys = try (0..<rounds).map { round in try sorted((0..<30).map { "r\(round)-\($0)" }, cluster) }
        let status = try await node.running(drain: .seconds(1)) {
            try await node.write(["first"], 0)
            _ = try await node.settled()
            cluster.masters[2].pause()
            var slowest = Duration.zero
            for round in 0..<rounds {
                let start = ContinuousClock.now
                try await node.write(keys[round].flatMap { $0 }, round)
                try await eventually("round \(round) at the others", within: .seconds(20)) {
                    (0...1).allSatisfy { index in
                        keys[round][index].allSatisfy { isThere($0, cluster.masters[index]) }
                    }
                }
                slowest = max(slowest, .now - start)
            }
            let held = try #require(try await node.syncStatus())
            #expect(held.heldBack == keys.reduce(0) { $0 + $1[2].count })
            #expect(held.watermark < held.lastSequence)
            #expect(held.lastError != nil)
            #expect(held.activity == .backingOff || held.activity == .pushing)
            print("with one shard standing still, the slowest of \(rounds) rounds took \(slowest)")
            // Two timeouts of a call at most: of what was under way when it stopped, and of a try.
            #expect(slowest < .seconds(5))
            cluster.masters[2].resume()
            return try await node.settled()
        }
        for round in keys {
            for index in cluster.masters.indices {
                #expect(round[index].allSatisfy { isThere($0, cluster.masters[index]) })
            }
        }
        #expect(status.heldBack == 0)
        #expect(status.outcomes.applied == 1 + rounds * 30 && !status.outcomes.hasTrouble, "\(status.outcomes)")
        cluster.stop()
    }
}
