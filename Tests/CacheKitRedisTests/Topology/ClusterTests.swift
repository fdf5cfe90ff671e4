import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// A real Cluster of three masters and three replicas, which the tests share; each has its own keys.
@Suite(
    .serialized, .timeLimit(.minutes(3)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"),
    .redisCluster)
struct ClusterTests {
    let cluster: RedisCluster

    init() throws {
        cluster = try #require(ClusterTrait.cluster)
    }

    @Test func `many keys over all slots come back in order, and each master has its share`() async throws {
        let store = try makeStore(cluster.url)
        let keys = try (0..<5000).map { try CacheKey("many\($0)") }
        let writes = keys.enumerated().map { number, key in
            RemoteWrite(key: key, action: .put(Array("v\(number)".utf8), timeToLive: .seconds(600)))
        }
        for result in try await store.write(writes) {
            guard case .applied = result else { throw CacheError(.internalFault, "not applied") }
        }
        let absent = try CacheKey("absent")
        let asked = [absent] + keys.reversed() + [keys[7], absent]
        let read = try await store.read(asked)
        #expect(read.count == asked.count)
        #expect(read.first == .some(nil) && read.last == .some(nil))
        #expect(read[5001]?.value == Array("v7".utf8))
        for (number, entry) in read[1...5000].enumerated() {
            #expect(entry?.value == Array("v\(4999 - number)".utf8))
            #expect(entry?.remaining.map { $0 > .seconds(500) && $0 <= .seconds(600) } == true)
        }
        for master in cluster.masters {
            #expect(Int(master.command("DBSIZE")?.text ?? "").map { $0 > 1000 } == true)
        }
        #expect(try await store.contains(asked) == asked.map { $0 != absent })
        _ = try await store.write(keys[..<2500].map { RemoteWrite(key: $0, action: .delete) })
        #expect(try await store.contains(keys) == keys.indices.map { $0 >= 2500 })
        #expect(try await store.read([]).isEmpty)
        #expect(store.clusterCounts == ClusterCounts(refreshes: 1))
        await store.close()
        #expect(await code { _ = try await store.read(keys) } == .shutdown)
    }

    @Test func `writes of one key in one call are applied in their order`() async throws {
        let store = try makeStore(cluster.url)
        let key = try CacheKey("order")
        let numbers = (0..<50).map { RemoteWrite(key: key, action: .put([UInt8($0)], timeToLive: .seconds(60))) }
        let results = try await store.write(numbers + [RemoteWrite(key: key, action: .delete)] + numbers.reversed())
        #expect(results.count == 101)
        #expect(try await store.read([key]).first??.value == [0])
        // Equal strings in other bytes are other keys.
        let twins = try ["\u{E9}", "e\u{301}"].map { try CacheKey("order-\($0)") }
        _ = try await store.write(
            zip(twins, [1, 2]).map { RemoteWrite(key: $0, action: .put([$1], timeToLive: .seconds(60))) })
        #expect(try await store.read(twins).map { $0?.value } == [[1], [2]])
        #expect(store.clusterCounts.moved == 0)
    }

    @Test func `large values and a key of another type do not disturb their neighbours`() async throws {
        let store = try makeStore(cluster.url)
        let large = Array(repeating: UInt8(7), count: 3 << 20)
        _ = try await store.command(words("LPUSH", "list", "x"), for: "list")
        let keys = try (0..<12).map { try CacheKey("large\($0)") }
        _ = try await store.write(keys.map { RemoteWrite(key: $0, action: .put(large, timeToLive: .seconds(60))) })
        let read = try await store.read(keys + [try CacheKey("list")])
        #expect(read.dropLast().allSatisfy { $0?.value == large })
        #expect(read.last == .some(nil))
    }

    @Test func `scripts go to the server of their key, and calls without a key to any`() async throws {
        let store = try makeStore(cluster.url)
        let script = "return {KEYS[1], redis.call('SET', KEYS[1], ARGV[1], 'PX', 60000)}"
        for number in 0..<60 {
            let key = "script\(number)"
            let reply = try await store.command(words("EVAL", script, "1", key, "v\(number)"), for: key)
            #expect(reply == .array([.bulkString(Array(key.utf8)), .simpleString("OK")]))
        }
        let read = try await store.read(try (0..<60).map { try CacheKey("script\($0)") })
        #expect(read.map { $0?.value } == (0..<60).map { Array("v\($0)".utf8) })
        try await store.ping()
        #expect(
            Set(try await store.topology.masters())
                == Set(cluster.masters.map { .tcp(host: "127.0.0.1", port: $0.port) }))
        #expect(
            await code { _ = try await store.command(words("EVALSHA", "00", "1", "k"), for: "k") } == .remoteRejected)
        #expect(store.clusterCounts.moved == 0)
    }

    @Test func `any server will do to begin with, and addresses of the wrong kind are told apart`() async throws {
        let dead = try await RedisServer.start()
        dead.stop()
        let seeds = "127.0.0.1:\(dead.port),127.0.0.1:\(cluster.replicas[2].port)"
        let store = try makeStore("redis+cluster://\(seeds)")
        try await store.ping()
        _ = try await store.write(try (0..<30).map { try put("seed\($0)", [1]) })
        #expect(
            await code { try await makeStore("redis+cluster://127.0.0.1:\(dead.port)").ping() } == .remoteUnavailable)
        try await dead.restart()
        #expect(
            await code { try await makeStore("redis+cluster://127.0.0.1:\(dead.port)").ping() } == .invalidConfiguration
        )
        // Not a refusal of this change: that would set it aside for good.
        let single = try makeStore(cluster.masters[0].url)
        let other = cluster.tag(ofMaster: 1, "other")
        let results = try await single.write([try put(other, [1])])
        guard case .failed(let error)? = results.first else { throw CacheError(.internalFault, "no failure") }
        #expect(error.code == .invalidConfiguration)
    }

    @Test func `replicas are read from only when asked for, and their masters when they are away`() async throws {
        let plain = try makeStore(cluster.url)
        let keys = try (0..<300).map { try CacheKey("replica\($0)") }
        _ = try await plain.write(keys.map { RemoteWrite(key: $0, action: .put([1], timeToLive: .seconds(60))) })
        let store = try makeStore(cluster.url) { $0.readsFromReplicas = true }
        func calls(_ servers: [RedisServer]) -> [Int] {
            servers.map { server in
                let text = server.command("INFO", "commandstats")?.text ?? ""
                let line = text.split(separator: "\r\n").first { $0.hasPrefix("cmdstat_mget:calls=") } ?? ""
                return Int(line.dropFirst(19).prefix { $0 != "," }) ?? 0
            }
        }
        #expect(await eventually { (try? await store.read(keys))?.allSatisfy { $0?.value == [1] } == true })
        let before = (calls(cluster.masters), calls(cluster.replicas))
        _ = try await plain.read(keys)
        let between = (calls(cluster.masters), calls(cluster.replicas))
        #expect(zip(before.0, between.0).allSatisfy { $0 < $1 } && before.1 == between.1)
        _ = try await store.read(keys)
        let after = (calls(cluster.masters), calls(cluster.replicas))
        #expect(between.0 == after.0 && zip(between.1, after.1).allSatisfy { $0 < $1 })
        #expect(store.clusterCounts.replicaFallbacks == 0)
        // Writes go to masters.
        guard case .applied = try await store.write([try put("replica0", [2])])[0] else {
            throw CacheError(.internalFault, "not applied")
        }

        cluster.replicas[0].stop()
        for _ in 0..<20 { #expect(try await store.read(keys).allSatisfy { $0 != nil }) }
        #expect(store.clusterCounts.replicaFallbacks > 0)
        try await cluster.replicas[0].restart()
        try await cluster.waitUntilReady()
    }

    @Test func `a master that hands over under load loses nothing and fails no call`() async throws {
        let store = try makeStore(cluster.url)
        let load = try CountingLoad(store, keys: (0..<600).map { "handover\($0)" })
        try await load.run(writers: 3, readers: 3) {
            for next in [cluster.replicas[1], cluster.masters[1]] {
                #expect(next.command("CLUSTER", "FAILOVER") == .text("OK"))
                #expect(await eventually { next.command("INFO", "replication")?.text?.contains("role:master") == true })
                try await cluster.waitUntilReady()
            }
        }
        let findings = load.findings
        #expect(findings.wrong == 0 && findings.lost == 0 && findings.failures.isEmpty, "\(findings)")
        #expect(findings.writes > 100 && findings.reads > 100)
        #expect(store.clusterCounts.moved > 0)
    }
}
