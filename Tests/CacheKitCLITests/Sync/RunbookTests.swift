import CacheKitTesting
import Foundation
import Testing

/// Every runbook of docs/operations.md, its commands word for word and in its order.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct RunbookTests {
    /// The commands of one runbook, run one after the other.
    private final class Runbook {
        private var commands: [String]
        private let scene: OperatorScene

        init(_ name: String, _ scene: OperatorScene) throws {
            commands = try OperationsPage().commands(of: name)
            self.scene = scene
            try #require(!commands.isEmpty, "there is no such runbook: \(name)")
        }

        /// Runs the next command, which begins so, and expects it to end so.
        @discardableResult
        func next(
            _ beginning: String, ends status: Int32, sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> CommandLineTool.Outcome {
            let command = commands.isEmpty ? "" : commands.removeFirst()
            #expect(command.hasPrefix(beginning), sourceLocation: sourceLocation)
            let outcome = try await scene.tool.shell(command)
            #expect(
                outcome.status == status, "\(command): \(outcome.output)\(outcome.errors)",
                sourceLocation: sourceLocation)
            return outcome
        }

        func end(sourceLocation: SourceLocation = #_sourceLocation) {
            #expect(commands.isEmpty, "commands that no test runs", sourceLocation: sourceLocation)
        }
    }

    @Test func `a long outage`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["users:old", "other:old"], ago: .seconds(9 * 86_400))
        try await scene.write(["users:late", "users:both"], ago: .seconds(3600))
        scene.server.stop()
        let book = try Runbook("Long outage", scene)
        let away = try await book.next("cachekit sync status", ends: 6)
        #expect(away.output.contains("pending_changes            4"), "\(away.output)")
        #expect(away.output.contains("next: bring Redis back"), "\(away.output)")
        try await scene.server.restart()
        scene.writeForeign(["users:both"])
        try await book.next("cachekit sync push", ends: 5)
        #expect(try await book.next("cachekit sync parked list", ends: 0).outputLines.count == 2)
        try await book.next("cachekit sync parked send", ends: 0)
        #expect(try await scene.remote("users:old") == "1\n")
        #expect(try await scene.remote("users:late") == "1\n")
        try await book.next("cachekit sync parked drop", ends: 0)
        #expect(try await book.next("cachekit sync conflicts list", ends: 0).outputLines.count == 1)
        try await book.next("cachekit sync conflicts resolve", ends: 0)
        // What was read from Redis before, and was changed there since.
        try await scene.other("set users:late 2")
        let pull = try await book.next("cachekit sync pull", ends: 0)
        #expect(pull.output.contains(/pulled +1\n/), "\(pull.output)")
        #expect(try await scene.held("users:late") == "2\n")
        try await book.next("cachekit sync status", ends: 0)
        #expect(try await scene.remote("other:old") == "" && scene.server.ask("GET users:both").contains("foreign"))
        book.end()
    }

    @Test func `Redis lost or restored from a backup`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        for key in ["a", "b", "c"] { _ = try await scene.tool.run("set", key, "1") }
        _ = scene.server.ask("FLUSHALL")
        let book = try Runbook("Redis lost or restored from a backup", scene)
        let before = try await book.next("cachekit sync verify", ends: 3)
        #expect(before.output.contains(/missing +3\n/), "\(before.output)")
        let push = try await book.next("cachekit sync push", ends: 0)
        #expect(push.output.contains("resent           3"), "\(push.output)")
        // Records came back, one value did not; and another node was there first.
        _ = scene.server.ask("DEL a")
        try await scene.other("set b 2")
        let replay = try await book.next("cachekit sync replay", ends: 0)
        #expect(replay.output.contains(/applied +1\n/) && replay.output.contains(/newer +1\n/), "\(replay.output)")
        let pull = try await book.next("cachekit sync pull", ends: 0)
        #expect(pull.output.contains(/pulled +1\n/), "\(pull.output)")
        let after = try await book.next("cachekit sync verify", ends: 0)
        #expect(after.output.contains(/same +3\n/), "\(after.output)")
        try await book.next("cachekit sync status", ends: 0)
        for (key, value) in [("a", "1\n"), ("b", "2\n"), ("c", "1\n")] {
            #expect(try await scene.remote(key) == value)
            #expect(try await scene.held(key) == value)
        }
        book.end()
    }

    @Test func `a wrong clock`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["a"], ago: .seconds(-300 * 86_400))
        let book = try Runbook("Wrong clock", scene)
        let before = try await book.next("cachekit sync status", ends: 3)
        #expect(before.output.contains("clock_offset_milliseconds"), "\(before.output)")
        try await book.next("cachekit sync push", ends: 0)
        try await book.next("cachekit sync status", ends: 0)
        book.end()
        // It does not win for as long as the clock was ahead.
        let other = try await scene.tool.run("set", "a", "2", "--database", scene.tool.path("other.db"))
        #expect(other.status == 0 && other.errors.isEmpty, "\(other.errors)")
        #expect(try await scene.remote("a") == "2\n")
    }

    @Test func `a device cloned`() async throws {
        var scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["waiting"], ago: .zero)
        scene.tool.environment["COPY"] = scene.tool.path("copy.db")
        try FileManager.default.copyItem(atPath: scene.tool.path("cache.db"), toPath: scene.tool.path("copy.db"))
        try await scene.write(["mine"], ago: .zero)
        let theirs = try await scene.tool.shell(#"unset CACHEKIT_REDIS_URL; cachekit set theirs 1 --database "$COPY""#)
        #expect(theirs.status == 0, "\(theirs.errors)")
        let book = try Runbook("A device cloned", scene)
        try await book.next("cachekit sync push", ends: 0)
        try await book.next("cachekit sync push --database", ends: 0)
        try await book.next("cachekit sync status", ends: 0)
        try await book.next("cachekit sync status --database", ends: 0)
        for key in ["waiting", "mine", "theirs"] { #expect(try await scene.remote(key) == "1\n", "\(key)") }
        book.end()
    }

    @Test func `key rotation in a fleet`() async throws {
        var scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["kept", "lost"], ago: .seconds(600))
        scene.writeForeign(["lost"])
        scene.tool.environment["CACHEKIT_MASTER_KEY"] = String(repeating: "b2", count: 32)
        scene.tool.environment["CACHEKIT_PREVIOUS_MASTER_KEYS"] = CommandLineTool.key
        let book = try Runbook("Key rotation in a fleet", scene)
        try await book.next("cachekit sync push", ends: 4)
        try await book.next("cachekit keys rotate", ends: 0)
        let refused = try await book.next("cachekit keys retire", ends: 3)
        #expect(refused.errors.contains("cachekit sync conflicts resolve"), "\(refused.errors)")
        try await book.next("cachekit sync conflicts resolve", ends: 0)
        try await book.next("cachekit sync push", ends: 0)
        try await book.next("cachekit keys rotate", ends: 0)
        try await book.next("cachekit keys retire", ends: 0)
        book.end()
        scene.tool.environment["CACHEKIT_PREVIOUS_MASTER_KEYS"] = nil
        for key in ["kept", "lost"] { #expect(try await scene.tool.run("get", key).output == "1\n") }
    }

    @Test func `moving a node`() async throws {
        var scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["a"], ago: .zero)
        scene.tool.environment["NEW_DATABASE"] = scene.tool.path("new.db")
        let book = try Runbook("Moving a node", scene)
        try await book.next("cachekit sync push", ends: 0)
        try await book.next("cachekit backup", ends: 0)
        try await book.next("cachekit verify", ends: 0)
        let verify = try await book.next("cachekit sync verify", ends: 0)
        #expect(verify.output.contains(/same +1\n/) && verify.output.contains(/opened +1\n/), "\(verify.output)")
        try await scene.other("set a 2")
        let pull = try await book.next("cachekit sync pull", ends: 0)
        #expect(pull.output.contains(/pulled +1\n/), "\(pull.output)")
        try await book.next("cachekit sync status --database", ends: 0)
        book.end()
        #expect(try await scene.tool.run("get", "a", "--database", scene.tool.path("new.db")).output == "2\n")
    }

    @Test func `an evicting Redis`() async throws {
        let scene = try await OperatorScene(["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
        defer { scene.stop() }
        _ = try await scene.tool.run("set", "a", "1")
        let book = try Runbook("An evicting Redis", scene)
        let before = try await book.next("cachekit sync status", ends: 0)
        #expect(before.output.contains("redis_evicts_records       true"), "\(before.output)")
        #expect(before.output.contains("maxmemory-policy"), "\(before.output)")
        try await book.next("redis-cli", ends: 0)
        try await book.next("cachekit sync push", ends: 0)
        let after = try await book.next("cachekit sync status", ends: 0)
        #expect(after.output.contains("redis_evicts_records       false"), "\(after.output)")
        book.end()
    }
}
