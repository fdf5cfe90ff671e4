import CacheKit
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

/// Redis loses what it had: everything is there again without a new write.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct LostServerDataTests {
    private let keys = (0..<TestEffort.count(short: 500, long: 20_000)).map { "k\($0)" }
    private var count: Int { keys.count }

    /// Pushes every key with the value 1, lets something happen, and waits until Redis holds what it should.
    private func lose(
        marksInterval: Duration = .seconds(3600), through proxy: (RedisServer) throws -> FaultProxy? = { _ in nil },
        expected: (Int) -> Int? = { _ in 1 }, _ event: (RedisServer, Cache, FaultProxy?) async throws -> Void
    ) async throws -> SyncOutcomes {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try proxy(server)
        let node = try await scene.node(proxy?.url ?? server.url) { $0.marksInterval = marksInterval }
        let result = try await node.running {
            try await node.write(keys, 1)
            _ = try await node.settled()
            #expect(try await SyncScene.numbers(server.url, keys).count == count)
            try await event(server, node, proxy)
            let wanted = Dictionary(
                uniqueKeysWithValues: keys.indices.compactMap { index in
                    expected(index).map { (keys[index], $0) }
                })
            try await eventually("what was lost") {
                (try? await SyncScene.numbers(server.url, keys)) == wanted
            }
            let status = try await node.settled()
            #expect(!status.outcomes.hasTrouble, "\(status.outcomes)")
            return status.outcomes
        }
        server.stop()
        return result
    }

    private func isFollowing(_ node: Cache) async throws {
        try await eventually("tracking") {
            if case .active = await node.health().following { true } else { false }
        }
    }

    @Test func `FLUSHALL with nothing pending`() async throws {
        let outcomes = try await lose { server, node, _ in
            try await isFollowing(node)
            #expect(server.command("FLUSHALL") == .text("OK"))
        }
        #expect(outcomes.resent >= count && outcomes.applied == count, "\(outcomes)")
    }

    @Test func `FLUSHALL with changes pending`() async throws {
        let outcomes = try await lose(
            through: { try FaultProxy(to: $0) }, expected: { $0 % 5 == 0 ? nil : $0 % 2 == 0 ? 2 : 1 }
        ) { server, node, proxy in
            try await proxy?.isolate(node)
            try await node.write(keys.indices.filter { $0 % 2 == 0 }.map { keys[$0] }, 2)
            try await node.numbers.delete(keys.indices.filter { $0 % 5 == 0 }.map { keys[$0] })
            #expect(server.command("FLUSHALL") == .text("OK"))
            proxy?.setPlan { _ in [] }
        }
        #expect(outcomes.resent > 0, "\(outcomes)")
    }

    @Test func `a restart without persistence`() async throws {
        let outcomes = try await lose { server, node, _ in
            try await isFollowing(node)
            server.kill9()
            try await server.restart()
        }
        #expect(outcomes.resent >= count, "\(outcomes)")
    }

    @Test func `a restart from an old dump`() async throws {
        let outcomes = try await lose(expected: { $0 % 3 == 0 ? nil : $0 % 2 == 0 ? 2 : 1 }) { server, node, _ in
            try await isFollowing(node)
            #expect(server.command("SAVE") == .text("OK"))
            let files = FileManager.default
            try files.copyItem(atPath: server.folder + "/dump.rdb", toPath: server.folder + "/old.rdb")
            try await node.write(keys.indices.filter { $0 % 2 == 0 }.map { keys[$0] }, 2)
            try await node.numbers.delete(keys.indices.filter { $0 % 3 == 0 }.map { keys[$0] })
            _ = try await node.settled()
            server.kill9()
            try files.removeItem(atPath: server.folder + "/dump.rdb")
            try files.moveItem(atPath: server.folder + "/old.rdb", toPath: server.folder + "/dump.rdb")
            try await server.restart()
        }
        #expect(outcomes.resent > 0, "\(outcomes)")
    }

    // Nothing tells anybody of it.
    @Test func `an exchange of databases is found by comparing marks now and then`() async throws {
        let outcomes = try await lose(marksInterval: .milliseconds(300)) { server, node, _ in
            try await isFollowing(node)
            #expect(server.command("SWAPDB", "0", "1") == .text("OK"))
        }
        #expect(outcomes.resent >= count, "\(outcomes)")
    }

    @Test func `after an exchange of databases what others had written is not served any longer`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let node = try await scene.node(server.url) { $0.marksInterval = .milliseconds(300) }
        let other = try await Cache(remote: SyncScene.redis(server.url), encryption: SyncScene.encryption())
        try await other.numbers.set(5, for: "theirs")
        try await node.running {
            try await node.write(["own"], 1)
            _ = try await node.settled()
            try await isFollowing(node)
            #expect(try await node.numbers.get("theirs") == 5)
            #expect(server.command("SWAPDB", "0", "1") == .text("OK"))
            try await eventually("the other's value to be gone") { try await node.numbers.get("theirs") == nil }
            try await eventually("its own to be there again") {
                (try? await SyncScene.numbers(server.url, ["own"])) == ["own": 1]
            }
            #expect(try await node.numbers.get("own") == 1)
        }
        await other.shutdown()
        server.stop()
    }

    @Test func `a bucket that is gone with its values`() async throws {
        let outcomes = try await lose(marksInterval: .milliseconds(300)) { server, node, _ in
            guard case .array(let fields)? = server.command("HKEYS", "ckv:7") else {
                throw CacheError(.internalFault, "no bucket")
            }
            let gone = fields.compactMap(\.text).filter { $0.hasPrefix("n:") }
            #expect(!gone.isEmpty)
            for key in gone { _ = server.command("DEL", key) }
            #expect(server.command("DEL", "ckv:7") == .text("1"))
        }
        #expect(outcomes.resent > 0 && outcomes.resent < count, "\(outcomes)")
    }
}
