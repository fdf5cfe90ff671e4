import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

/// `kill -9` of the node at each step of a batch.
@Suite(
    .serialized, .timeLimit(.minutes(3)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct KilledAtStepTests {
    private let keys = (0..<200).map { "k\($0)" }
    private let key = SyncScene.masterKey.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()

    /// Each record's version, by key: two records of one change would differ.
    private func records(_ server: RedisServer) async throws -> [RemoteRecord?] {
        let store = try RedisStore(
            SyncScene.redis(server.url),
            context: RemoteStoreContext(logger: CacheConfiguration().logger, maximumValueBytes: 1 << 20))
        let views = try await store.inspect(keys.map { try CacheKey("\(SyncScene.namespace):\($0)") })
        await store.close()
        return views.map(\.record)
    }

    @Test(arguments: ["read", "begun", "answered", "settling", "settled"])
    func `a node that is killed at a step of a batch has lost nothing, and sends nothing twice`(
        step: String
    ) async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let child = try NodeProcess(["versioned-\(step)", scene.path("a"), key, server.url, "1"])
        let end = try await child.ended()
        #expect(end.wasKilled && end.lines == ["committed", "reached \(step)"], "\(end)")
        let isSent = ["answered", "settling", "settled"].contains(step)
        #expect(try await SyncScene.numbers(server.url, keys).count == (isSent ? keys.count : 0))
        let before = try await records(server)
        let node = try await scene.node(server.url)
        let status = try await node.running { try await node.settled() }
        #expect(try await SyncScene.numbers(server.url, keys) == Dictionary(uniqueKeysWithValues: keys.map { ($0, 1) }))
        // What had taken effect is known to have, and was not written anew.
        if isSent { #expect(try await records(server) == before) }
        #expect(status.outcomes.applied == (step == "settled" ? 0 : keys.count) && status.outcomes.resent == 0)
        #expect(!status.outcomes.hasTrouble && status.outcomes.superseded == 0, "\(status.outcomes)")
        server.stop()
    }

    /// Kills a node whose batch is on its way to the server, where it arrives `later`.
    private func killWhileSending(
        _ mode: String, _ scene: SyncScene, _ server: RedisServer, later: Duration
    ) async throws -> FaultProxy {
        let proxy = try FaultProxy(to: server) { _ in [.delay(.requests, later)] }
        let child = try NodeProcess(["\(mode)-sending", scene.path("a"), key, proxy.url, "1"])
        try await eventually("the child's sending") { child.said.contains("sending") }
        // Long enough for it to leave the child, and far less than it takes to arrive.
        try await Task.sleep(for: .milliseconds(300))
        child.kill9()
        #expect(try await child.ended().wasKilled)
        #expect(try await SyncScene.numbers(server.url, keys).isEmpty)
        return proxy
    }

    @Test func `what a killed node had sent arrives after it was sent again, and changes nothing`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try await killWhileSending("versioned", scene, server, later: .seconds(3))
        let node = try await scene.node(server.url)
        try await node.running {
            try await node.write(keys, 2)
            _ = try await node.settled()
            let records = try await records(server)
            try await eventually("the late arrival") { proxy.openCount == 0 }
            #expect(try await self.records(server) == records)
            #expect(try await SyncScene.numbers(server.url, keys).values.allSatisfy { $0 == 2 })
        }
        server.stop()
    }

    @Test func `of a single writer that was killed nothing arrives any more once the next one has begun`() async throws
    {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try await killWhileSending("single", scene, server, later: .seconds(3))
        let node = try await scene.node(server.url) { $0.policy.isSingleWriter = true }
        try await node.running {
            try await node.write(keys, 2)
            _ = try await node.settled()
            #expect(try await SyncScene.numbers(server.url, keys).values.allSatisfy { $0 == 2 })
            try await eventually("the end of the old connection") { proxy.openCount == 0 }
            // Had the old connection not been ended, its writes would stand here now.
            #expect(
                try await SyncScene.numbers(server.url, keys) == Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) }))
        }
        server.stop()
    }
}
