import CacheKit
import CacheKitSync
import CacheKitTesting
import Testing

/// What Redis itself refuses, or warns of.
@Suite(
    .serialized, .timeLimit(.minutes(1)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct RefusedChangeTests {
    // SET replaces a value of any type; a script that looks at it first does not.
    @Test func `a value of another type in the middle of a batch is one dead letter`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let keys = (0..<300).map { "k\($0)" }
        for index in [100, 200] { _ = server.command("RPUSH", "n:k\(index)", "x") }
        let proxy = try FaultProxy(to: server)
        proxy.setPlan { _ in [.cut(.requests, after: 0)] }
        let node = try await scene.node(proxy.url) { $0.lateAfter = .zero }
        try await node.running {
            try await node.write(keys, 1)
            proxy.setPlan { _ in [] }
            let status = try await node.settled()
            let held = try await SyncScene.numbers(server.url, keys)
            print("a wrong type: \(status.outcomes)")
            #expect(status.outcomes.deadLettered == 2 && status.outcomes.applied == 298, "\(status.outcomes)")
            #expect(held.count == 298 && held["k100"] == nil && held["k200"] == nil)
            #expect(server.command("LLEN", "n:k100") == .text("1"))
            #expect(try await node.localStatistics()?.deadLetters == 2)
        }
        server.stop()
    }

    @Test(arguments: ["allkeys-lru", "volatile-lru", "noeviction"])
    func `a server that may evict the records of versions is warned of`(_ policy: String) async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start(["--maxmemory", "50mb", "--maxmemory-policy", policy])
        let node = try await scene.node(server.url)
        try await node.running {
            try await node.numbers.set(1, for: "k")
            let status = try await node.settled()
            let isWarned = policy.hasPrefix("allkeys")
            #expect(status.warnings.contains { $0.contains("maxmemory-policy") } == isWarned)
            #expect(await node.health().warnings.contains { $0.contains("maxmemory-policy") } == isWarned)
        }
        server.stop()
    }
}
