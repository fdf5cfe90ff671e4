import CacheKitTesting
import Foundation
import Testing

/// `cachekit sync verify`: what it finds, that it changes nothing, and that what it names mends it.
@Suite(.timeLimit(.minutes(5)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct SyncVerifyTests {
    private func fields(_ outcome: CommandLineTool.Outcome) throws -> [String: Any] {
        try #require(try outcome.objects().last, "\(outcome.errors)")
    }

    private func contents(_ scene: OperatorScene, _ keys: [String]) async throws -> [String] {
        var contents = [try await scene.tool.run("export", "-", environment: ["CACHEKIT_REDIS_URL": nil]).output]
        for key in keys { contents.append(scene.server.ask("GET \(key)")) }
        contents.append(scene.server.ask("DBSIZE"))
        return contents
    }

    @Test func `each kind of difference is counted, nothing is changed, and what it names mends it`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        let keys = ["same", "newer", "older", "foreign", "missing", "deleted", "bare"].map { "users:\($0)" }
        for key in keys { _ = try await scene.tool.run("set", key, "1") }
        _ = try await scene.tool.run("delete", "users:deleted")
        let clean = try await scene.run("sync verify --json")
        #expect(clean.status == 0 && clean.errors.isEmpty, "\(clean.output)\(clean.errors)")
        #expect(try fields(clean)["same"] as? Int == 7 && fields(clean)["schema"] as? Int == 1)
        #expect(try fields(clean)["next_steps"] as? [String] == ["nothing differs"])
        // Redis comes back from a backup that lacks the last write.
        _ = scene.server.ask("SAVE")
        _ = try await scene.tool.run("set", "users:older", "2")
        try await scene.server.restart()
        try await scene.other("set users:newer 2")
        for key in ["users:foreign", "users:deleted"] { _ = scene.server.ask("SET \(key) foreign") }
        _ = scene.server.ask("DEL users:missing")
        for bucket in 0..<256 { _ = scene.server.ask("HDEL ckv:\(bucket) users:bare") }
        let before = try await contents(scene, keys)
        let found = try await scene.run("sync verify --open --json")
        #expect(found.status == 3 && found.errors.isEmpty, "\(found.output)\(found.errors)")
        let expected = [
            "compared": 7, "same": 1, "same_without_record": 1, "newer": 1, "older": 1, "foreign": 1, "missing": 1,
            "not_deleted": 1, "opened": 4, "unopened": 2, "pending": 0, "unreadable": 0,
        ]
        for (name, count) in expected { #expect(try fields(found)[name] as? Int == count, "\(name): \(found.output)") }
        let steps = try #require(try fields(found)["next_steps"] as? [String]).joined(separator: "|")
        for step in ["cachekit sync replay", "cachekit sync pull", "--policy local-wins", "PREVIOUS_MASTER_KEYS"] {
            #expect(steps.contains(step), "\(steps)")
        }
        #expect(!found.output.contains("users:"))
        let text = try await scene.run("sync verify --namespace users")
        #expect(
            text.status == 3 && text.output.contains(/unopened +0\n/) && text.output.contains("next: "),
            "\(text.output)")
        #expect(try await scene.run("sync verify --namespace orders").output.contains(/compared +0\n/))
        #expect(try await contents(scene, keys) == before)
        // The commands that it names.
        #expect(try await scene.run("sync replay --policy local-wins").status == 0)
        #expect(try await scene.run("sync pull").status == 0)
        let mended = try await scene.run("sync verify --open --json")
        #expect(mended.status == 0, "\(mended.output)\(mended.errors)")
        #expect(try fields(mended)["same"] as? Int == 7 && fields(mended)["opened"] as? Int == 6, "\(mended.output)")
    }

    @Test func `a share is opened, chosen at random`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        let lines = (0..<400).map { #"{"key":"users:\#($0)","value":\#($0)}"# }.joined(separator: "\n")
        _ = try await scene.tool.run("import", "-", "--ttl", "1d", input: lines)
        #expect(try await scene.run("sync push").status == 0)
        let sampled = try await scene.run("sync verify --sample 0.5 --json")
        #expect(sampled.status == 0, "\(sampled.errors)")
        // All or none of 400: once in 10^120.
        let opened = try #require(try fields(sampled)["opened"] as? Int)
        #expect(opened > 0 && opened < 400)
        #expect(try fields(sampled)["same"] as? Int == 400)
    }

    // MARK: Both commands

    /// A file and a server with the same rows.
    private func settled(_ count: Int) async throws -> OperatorScene {
        let scene = try await OperatorScene()
        let lines = (0..<count).map { #"{"key":"users:\#($0)","value":\#($0)}"# }.joined(separator: "\n")
        let imported = try await scene.tool.run("import", "-", "--ttl", "1d", input: lines)
        #expect(imported.status == 0, "\(imported.errors)")
        #expect(try await scene.run("sync push").status == 0)
        return scene
    }

    @Test(arguments: ["pull", "verify"])
    func `Ctrl-C ends it after the page in flight, and tells what was done`(command: String) async throws {
        let scene = try await settled(3_000)
        defer { scene.stop() }
        _ = scene.server.ask("CONFIG RESETSTAT")
        let stopped = try await scene.tool.shell(
            """
            set -m
            "$CACHEKIT_EXECUTABLE" sync \(command) --json --rate 400 &
            process=$!
            for _ in $(seq 300); do
              redis-cli -p \(scene.server.port) INFO commandstats | grep -q cmdstat_getrange && break
              sleep 0.05
            done
            kill -INT $process
            wait $process
            """)
        // The shell says a word about the end of its job, too.
        let told = stopped.errorLines.filter { $0.hasPrefix("cachekit: ") }
        #expect(stopped.status == 3 && told.count == 1, "\(stopped.errors)")
        let first = try fields(stopped)
        let compared = try #require(first["compared"] as? Int)
        #expect(first["complete"] as? Bool == false && compared > 0 && compared < 3_000)
        #expect(compared % 100 == 0, "whole pages: \(compared)")
        #expect(told.first?.contains("stopped after \(compared) rows") == true, "\(stopped.errors)")
        let ended = try await scene.run("sync \(command) --json")
        #expect(try ended.status == 0 && fields(ended)["compared"] as? Int == 3_000, "\(ended.errors)")
    }

    @Test(arguments: ["pull", "verify"])
    func `a server that goes away meanwhile ends it with 6, and what was done is told`(command: String) async throws {
        let scene = try await settled(3_000)
        defer { scene.stop() }
        _ = scene.server.ask("CONFIG RESETSTAT")
        let ended = try await scene.tool.shell(
            """
            "$CACHEKIT_EXECUTABLE" sync \(command) --json --rate 400 &
            process=$!
            for _ in $(seq 300); do
              redis-cli -p \(scene.server.port) INFO commandstats | grep -q cmdstat_getrange && break
              sleep 0.05
            done
            redis-cli -p \(scene.server.port) SHUTDOWN NOSAVE
            wait $process
            """)
        #expect(ended.status == 6 && ended.errorLines.count == 1, "\(ended.errors)")
        let left = try fields(ended)
        #expect(left["complete"] as? Bool == false && (left["compared"] as? Int ?? 3_000) < 3_000, "\(ended.output)")
    }

    @Test(arguments: ["pull", "verify"])
    func `progress is drawn in place on a terminal, and on a pipe there is the report alone`(
        command: String
    ) async throws {
        let scene = try await settled(3_000)
        defer { scene.stop() }
        let terminal = try PseudoTerminal()
        var environment = scene.tool.environment
        environment["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        let output = scene.tool.folder.appending(path: "report.json")
        let status = try await terminal.run(
            CommandLineTool.executable, ["sync", command, "--json", "--rate", "2000"], environment: environment,
            output: output)
        #expect(status == 0)
        let shown = terminal.text
        let drawn = shown.matches(of: /\r\u{1B}\[Kcompared (\d+), (\d+)\/s, (\d+) %, (\d+) s left/)
        #expect(drawn.count >= 2, "\(shown)")
        #expect(!shown.contains("\n") && shown.hasSuffix("\r\u{1B}[K"))
        let counts = drawn.compactMap { Int($0.1) }
        #expect(counts == counts.sorted() && counts.allSatisfy { $0 <= 3_000 })
        let report = try String(contentsOf: output, encoding: .utf8)
        #expect(report.split(separator: "\n").count == 1 && report.contains(#""compared":3000"#))
        let piped = try await scene.run("sync \(command) --json --rate 20000")
        #expect(piped.errors.isEmpty && piped.outputLines.count == 1)
    }
}
