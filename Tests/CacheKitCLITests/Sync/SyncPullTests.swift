import CacheKitTesting
import Foundation
import Testing

/// `cachekit sync pull` as an operator uses it, beside a real server and other nodes.
@Suite(.timeLimit(.minutes(5)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct SyncPullTests {
    private static let otherKey = String(repeating: "b2", count: 32)

    private func fields(_ outcome: CommandLineTool.Outcome) throws -> [String: Any] {
        try #require(try outcome.objects().last, "\(outcome.errors)")
    }

    @Test func `what others wrote and deleted is taken in, and what waits stays`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        for key in ["users:same", "users:newer", "users:deleted", "users:evicted", "orders:newer"] {
            _ = try await scene.tool.run("set", key, "1")
        }
        try await scene.other(
            "set users:newer 2", "set orders:newer 2", "delete users:deleted", "set users:elsewhere 3")
        // Its record says that it lives: it was evicted there, as far as anybody can tell.
        _ = scene.server.ask("DEL users:evicted")
        try await scene.write(["users:waits"], ago: .zero)
        let some = try await scene.run("sync pull --namespace users --json")
        #expect(some.status == 0 && some.errors.isEmpty, "\(some.output)\(some.errors)")
        let first = try fields(some)
        #expect(first["schema"] as? Int == 1 && first["complete"] as? Bool == true)
        let expected = ["compared": 4, "unchanged": 2, "pulled": 1, "dropped": 1, "pending": 1, "unopened": 0]
        for (name, count) in expected { #expect(first[name] as? Int == count, "\(name): \(some.output)") }
        #expect(first["pinned_pulled"] is NSNull)
        #expect(try await scene.held("users:newer") == "2\n")
        #expect(try await scene.held("users:waits") == "1\n")
        #expect(try await scene.held("users:deleted") == "")
        #expect(try await scene.held("users:evicted") == "1\n")
        #expect(try await scene.held("orders:newer") == "1\n")
        #expect(try await scene.held("users:elsewhere") == "")
        let rest = try await scene.run("sync pull")
        #expect(rest.output.contains(/pulled +1\n/), "\(rest.output)")
        #expect(rest.output.contains("next: 1 changes wait; run: cachekit sync push"), "\(rest.output)")
        _ = try await scene.run("sync push")
        let again = try await scene.run("sync pull")
        #expect(again.output.contains(/unchanged +5\n/), "\(again.output)")
        #expect(again.output.contains("next: nothing is left to do"), "\(again.output)")
    }

    @Test func `what Redis may have lost is kept, and decided about once it has been sent again`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        _ = try await scene.tool.run("set", "users:mine", "1")
        try await scene.other("set users:theirs 1")
        _ = try await scene.tool.run("get", "users:theirs")
        #expect(try await scene.run("sync pull").status == 0)
        _ = scene.server.ask("FLUSHALL")
        let lost = try await scene.run("sync pull --json")
        #expect(lost.status == 3 && lost.errors.isEmpty, "\(lost.output)\(lost.errors)")
        #expect(try fields(lost)["undecided"] as? Int == 2 && fields(lost)["complete"] as? Bool == true)
        #expect(lost.output.contains("cachekit sync push here and where they were written"), "\(lost.output)")
        #expect(try await scene.held("users:mine") == "1\n")
        #expect(try await scene.held("users:theirs") == "1\n")
        #expect(try await scene.run("sync push").status == 0)
        try await scene.other("sync push")
        let sent = try await scene.run("sync pull --json")
        #expect(try sent.status == 0 && fields(sent)["unchanged"] as? Int == 2, "\(sent.output)\(sent.errors)")
        // A row that Redis knows nothing of though it has lost nothing is dropped.
        _ = scene.server.ask("DEL users:theirs")
        for bucket in 0..<256 { _ = scene.server.ask("HDEL ckv:\(bucket) users:theirs") }
        let gone = try await scene.run("sync pull --json")
        #expect(try gone.status == 0 && fields(gone)["dropped"] as? Int == 1, "\(gone.output)\(gone.errors)")
        #expect(try fields(gone)["unchanged"] as? Int == 1)
    }

    @Test func `a newer value that opens under no key given is told, and pulled once the key is there`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        _ = try await scene.tool.run("set", "users:a", "1")
        _ = try await scene.tool.run("set", "users:b", "1")
        let theirs = try await scene.tool.run(
            "set", "users:a", "2", "--database", scene.tool.path("other.db"),
            environment: ["CACHEKIT_MASTER_KEY": Self.otherKey])
        #expect(theirs.status == 0, "\(theirs.errors)")
        let unopened = try await scene.run("sync pull --json")
        #expect(unopened.status == 3, "\(unopened.output)\(unopened.errors)")
        #expect(try fields(unopened)["unopened"] as? Int == 1 && fields(unopened)["unchanged"] as? Int == 1)
        #expect(!unopened.output.contains("users:") && unopened.output.contains("CACHEKIT_PREVIOUS_MASTER_KEYS"))
        let opened = try await scene.tool.run(
            "sync", "pull", "--json", environment: ["CACHEKIT_PREVIOUS_MASTER_KEYS": Self.otherKey])
        #expect(try opened.status == 0 && fields(opened)["pulled"] as? Int == 1, "\(opened.errors)")
    }

    @Test func `keys that begin as said are pulled though they are not held here`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        _ = try await scene.tool.run("set", "pins*:held", "1")
        let lines = (0..<300).map { #"{"key":"pins*:\#($0)","value":\#($0)}"# }
        let imported = try await scene.tool.run(
            "import", "-", "--ttl", "1d", "--database", scene.tool.path("other.db"),
            input: (lines + [#"{"key":"pinsX:1","value":1}"#, #"{"key":"more:1","value":7}"#]).joined(separator: "\n"))
        #expect(imported.status == 0, "\(imported.errors)")
        try await scene.other("sync push")
        _ = scene.server.ask("SET pins*:1:lock token")
        let all = try await scene.run("sync pull --pin 'pins*:' --pin more --json")
        #expect(all.status == 0, "\(all.output)\(all.errors)")
        let first = try fields(all)
        #expect(first["compared"] as? Int == 1 && first["pinned_pulled"] as? Int == 301, "\(all.output)")
        #expect(first["pinned_listed"] as? Int == 303 && first["complete"] as? Bool == true, "\(all.output)")
        #expect(try await scene.held("pins*:299") == "299\n")
        #expect(try await scene.held("more:1") == "7\n")
        #expect(try await scene.held("pinsX:1") == "")
        // What does not open is told of, and the others come all the same.
        _ = scene.server.ask("SET late:1 foreign")
        try await scene.other("set late:2 2")
        let late = try await scene.run("sync pull --pin late: --json")
        #expect(try late.status == 3 && fields(late)["unopened"] as? Int == 1, "\(late.output)\(late.errors)")
        #expect(try await scene.held("late:2") == "2\n")
        #expect(try await scene.run("sync pull --pin ''").status == 2)
    }

    @Test func `a server that is away, that refuses, or that was not given ends it as documented`() async throws {
        let scene = try await OperatorScene(["--requirepass", "right"])
        defer { scene.stop() }
        try await scene.write(["a"], ago: .zero)
        for command in ["pull", "verify"] {
            let refused = try await scene.run("sync \(command) --redis redis://:wrong@127.0.0.1:\(scene.server.port)")
            #expect(refused.status == 7 && refused.output.isEmpty, "\(refused.errors)")
            let away = try await scene.run("sync \(command) --redis redis://127.0.0.1:1")
            #expect(away.status == 6 && away.errorLines.count == 1, "\(away.errors)")
            let alone = try await scene.tool.run("sync", command, environment: ["CACHEKIT_REDIS_URL": nil])
            #expect(alone.status == 2, "\(alone.errors)")
            #expect(try await scene.run("sync \(command) --rate 0").status == 2)
        }
        for wrong in ["--sample 0", "--sample 1.5", "--open --sample 0.5"] {
            #expect(try await scene.run("sync verify \(wrong)").status == 2, "\(wrong)")
        }
    }
}

extension OperatorScene {
    /// Runs commands of another node.
    func other(_ commands: String...) async throws {
        for command in commands {
            let outcome = try await run("\(command) --database other.db")
            guard outcome.status == 0 else { throw CacheKitFailure(message: outcome.errors) }
        }
    }

    /// What the file alone serves.
    func held(_ key: String) async throws -> String {
        try await tool.run("get", key, environment: ["CACHEKIT_REDIS_URL": nil]).output
    }

    struct CacheKitFailure: Error {
        let message: String
    }
}
