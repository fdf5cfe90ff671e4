import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Foundation
import Testing

/// What nodes with files make of what others, and losses, do to a real server.
@Suite(.serialized, .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct WayBackTests {
    private func isFollowing(_ cache: Cache) async -> Bool {
        if case .active = await cache.health().following { true } else { false }
    }

    /// Two nodes on one server that hear of each other.
    private func withNodes(
        _ options: [String] = [], _ body: (RedisServer, Cache, Cache) async throws -> Void
    ) async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start(options)
        let one = try await scene.node(server.unixURL, file: "one")
        let other = try await scene.node(server.unixURL, file: "other")
        try await one.running {
            try await other.running {
                try await eventually("following") {
                    let isOne = await isFollowing(one)
                    let isOther = await isFollowing(other)
                    return isOne && isOther
                }
                try await body(server, one, other)
            }
        }
    }

    private func command(_ server: RedisServer, _ words: String...) async throws {
        let store = try RedisStore(
            RedisConfiguration(server.url),
            context: RemoteStoreContext(logger: CacheConfiguration().logger, maximumValueBytes: 1 << 20))
        defer { Task { await store.close() } }
        _ = try await store.command(words.map { Array($0.utf8) })
    }

    private func origin(_ key: String, _ cache: Cache) async throws -> EntryOrigin? {
        try await cache.localEntries(after: .zero, limit: 1_000)
            .first { $0.key.string == "\(SyncScene.namespace):\(key)" }?.origin
    }

    @Test func `what another node overwrites, here too, is shown here soon, and each has it in its file`() async throws
    {
        try await withNodes { _, one, other in
            for round in 0..<10 {
                let (writer, reader) = round % 2 == 0 ? (one, other) : (other, one)
                try await writer.numbers.set(round, for: "a")
                try await eventually("round \(round)") { try await reader.numbers.get("a") == round }
                #expect(try await origin("a", reader) == .remote)
                #expect(try await origin("a", writer) == .local)
            }
            try await one.numbers.delete("a")
            try await eventually("the delete") { try await other.numbers.get("a") == nil }
        }
    }

    @Test func `somebody who knows no versions is heard over a row that was written here`() async throws {
        try await withNodes { server, one, _ in
            try await one.numbers.set(1, for: "a")
            _ = try await one.settled()
            let plain = try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
            try await plain.numbers.set(2, for: "a")
            try await eventually("the plain write") { try await one.numbers.get("a") == 2 }
            // And a change over it is newer than it, and stays.
            try await one.numbers.set(3, for: "a")
            _ = try await one.settled()
            #expect(try await SyncScene.numbers(server.url, ["a"]) == ["a": 3])
            await plain.shutdown()
        }
    }

    @Test func `what Redis loses is served on, and is there again`() async throws {
        try await withNodes { server, one, other in
            let keys = (0..<50).map { "k\($0)" }
            try await one.write(keys, 1)
            _ = try await one.settled()
            #expect(try await other.numbers.get(keys).count == 50)
            for round in 0..<5 {
                // Readers go on while it happens: none of them may take a loss for a delete.
                async let reads: Void = withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            for key in keys.shuffled() {
                                let value = try await one.numbers.get(key)
                                #expect(value == 1, "round \(round)")
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try await command(server, "FLUSHALL")
                try await reads
                try await eventually("what was lost in round \(round)") {
                    try await SyncScene.numbers(server.url, keys).count == 50
                }
            }
            #expect(try await origin("k7", one) == .local)
        }
    }

    @Test func `a newer version that only a reader still has is given back to a Redis that came back without it`()
        async throws
    {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let reader = try await scene.node(server.unixURL, file: "reader")
        try await reader.running {
            try await eventually("following") { await isFollowing(reader) }
            let writer = try await scene.node(server.unixURL, file: "writer")
            try await writer.running {
                try await writer.numbers.set(1, for: "a")
                _ = try await writer.settled()
                #expect(server.command("SAVE") == .text("OK"))
                try await writer.numbers.set(2, for: "a")
                _ = try await writer.settled()
            }
            // Whoever wrote it is gone for good.
            try await eventually("the second value") { try await reader.numbers.get("a") == 2 }
            server.kill9()
            try await server.restart()
            #expect(try await SyncScene.numbers(server.url, ["a"]) == ["a": 1])
            try await eventually("the newer value") {
                #expect(try await reader.numbers.get("a") == 2)
                return try await SyncScene.numbers(server.url, ["a"]) == ["a": 2]
            }
        }
    }

    @Test func `a node that was cut off shows what it has, and what the others wrote once it is back`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server)
        let one = try await scene.node(server.unixURL, file: "one")
        let cut = try await scene.node(proxy.url, file: "cut")
        try await one.running {
            try await cut.running {
                let keys = (0..<20).map { "k\($0)" }
                try await one.write(keys, 1)
                _ = try await one.settled()
                try await eventually("the first values") {
                    try await cut.numbers.get(keys).values.allSatisfy { $0 == 1 }
                }
                #expect(try await cut.numbers.get(keys).count == 20)
                try await proxy.isolate(cut)
                try await one.write(keys, 2)
                _ = try await one.settled()
                #expect(try await cut.numbers.get(keys) == Dictionary(uniqueKeysWithValues: keys.map { ($0, 1) }))
                proxy.setPlan { _ in [] }
                try await eventually("the second values") {
                    try await cut.numbers.get(keys) == Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
                }
            }
        }
    }

    @Test func `comparing everything pulls what changed while nobody ran the node`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let keys = (0..<2_000).map { "k\($0)" }
        let first = try await scene.node(server.unixURL)
        try await first.running {
            try await first.write(keys, 1)
            _ = try await first.settled()
        }
        let plain = try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
        try await plain.write(["k7", "k1999", "new"], 2)
        await plain.shutdown()
        let node = try await scene.node(server.unixURL)
        #expect(await node.health().verification?.unverifiedRows == 2_000)
        let before = try await node.compareWithRemote()
        #expect(before.compared == 2_000 && before.foreign == 2 && before.same == 1_998)
        let report = try await node.reconcile()
        #expect(report.compared == 2_000 && report.pulled == 2 && report.unchanged == 1_998)
        #expect(await node.health().verification?.unverifiedRows == 0)
        server.kill9()
        #expect(try await node.numbers.get(["k7", "k8", "k1999"]) == ["k7": 2, "k8": 1, "k1999": 2])
        await node.shutdown(deadline: .zero)
    }
}
