import CacheKitTesting
import Foundation
import Testing

/// Deciding about what did not simply reach Redis, with the real command and a real server.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct SyncDecisionTests {
    @Test func `what was too old is listed, sent by decision, and not parked again`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["users:1", "users:2", "other:1"], ago: .seconds(8 * 86_400))
        #expect(try await scene.run("sync push").status == 5)
        let parked = try await scene.objects("sync parked list")
        #expect(parked.map { $0["key"] as? String } == ["users:1", "users:2", "other:1"])
        #expect(parked.allSatisfy { $0["reason"] as? String == "tooOld" && $0["row"] is [String: Any] })
        #expect(try await scene.objects("sync parked list --namespace users --limit 1").count == 1)
        let id = try #require(parked[0]["id"] as? Int)
        // Without Redis it waits.
        let first = try await scene.tool.shell("unset CACHEKIT_REDIS_URL; cachekit sync parked send \(id) 999 --json")
        #expect(first.status == 3, "\(first.errors)")
        let report = try #require(try first.objects().first)
        #expect(report["done"] as? Int == 1 && report["missing"] as? Int == 1 && report["left"] as? Int == 2)
        #expect(report["pending_changes"] as? Int == 1)
        let second = try await scene.run("sync parked send --namespace users")
        #expect(second.status == 0, "\(second.errors)")
        #expect(try await scene.remote("users:1") == "1\n")
        #expect(try await scene.remote("users:2") == "1\n")
        #expect(try await scene.remote("other:1") == "")
        #expect(try await scene.objects("sync parked list").map { $0["key"] as? String } == ["other:1"])
        #expect(try await scene.run("sync push").status == 5)
        #expect(try await scene.run("sync parked drop --all --yes").status == 0)
        #expect(try await scene.run("sync push").status == 0)
        #expect(try await scene.remote("other:1") == "", "what was dropped is never sent")
        // Not even where Redis has lost everything.
        _ = scene.server.ask("FLUSHALL")
        #expect(try await scene.run("sync push").status == 0)
        #expect(try await scene.remote("users:1") == "1\n")
        #expect(try await scene.remote("other:1") == "")
    }

    @Test func `a change that is sent however old it is loses against what is newer`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["a", "b"], value: 1, ago: .seconds(8 * 86_400))
        #expect(try await scene.run("sync push").status == 5)
        // Another node writes one, another SDK the other.
        _ = try await scene.tool.run("set", "a", "2", "--database", scene.tool.path("other.db"))
        scene.writeForeign(["b"])
        #expect(try await scene.run("sync parked send --all").status == 0)
        #expect(try await scene.remote("a") == "2\n")
        #expect(scene.server.ask("GET b").contains("foreign"))
        let conflicts = try await scene.objects("sync conflicts list")
        #expect(conflicts.map { $0["reason"] as? String } == ["stale", "foreign"])
    }

    @Test func `a dead letter is retried once its cause is mended`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        let refusing = try await RedisServer.start(["--rename-command", "SET", ""])
        defer { refusing.stop() }
        for key in ["users:1", "users:2"] {
            _ = try await scene.tool.run("set", key, "1", environment: ["CACHEKIT_REDIS_URL": nil])
        }
        #expect(try await scene.run("sync push --redis \(refusing.url)").status == 5)
        let letters = try await scene.objects("sync dead-letters list")
        #expect(letters.count == 2 && letters.allSatisfy { $0["reason"] as? String == "remoteRejected" })
        #expect(letters.allSatisfy { ($0["message"] as? String)?.contains("Redis answered") == true })
        // One is written over since: the newer goes by itself.
        _ = try await scene.tool.run("set", "users:2", "2")
        let listed = try await scene.objects("sync dead-letters list")
        #expect(listed.map { $0["row"] is NSNull } == [false, true])
        let retry = try await scene.run("sync dead-letters retry --all --json")
        #expect(retry.status == 0, "\(retry.errors)")
        let report = try #require(try retry.objects().first)
        #expect(report["done"] as? Int == 1 && report["superseded"] as? Int == 1 && report["left"] as? Int == 0)
        #expect(try await scene.remote("users:1") == "1\n")
        #expect(try await scene.remote("users:2") == "2\n")
        #expect(try await scene.run("sync status").status == 0)
    }

    @Test func `a conflict is shown, and settled either way`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["users:1", "users:2", "users:3"], value: 7, ago: .seconds(600))
        scene.writeForeign(["users:1", "users:2", "users:3"])
        #expect(try await scene.run("sync push").status == 4)
        let conflicts = try await scene.objects("sync conflicts list")
        let ids = conflicts.compactMap { $0["id"] as? Int }
        #expect(ids.count == 3)
        let shown = try await scene.objects("sync conflicts show \(ids[0])")
        #expect(shown.first?["losing_value"] as? Int == 7 && shown.first?["standing_value"] is NSNull)
        #expect(try await scene.run("sync conflicts show 999").status == 3)
        #expect(try await scene.run("sync conflicts resolve \(ids[0]) --keep-local --yes").status == 0)
        #expect(try await scene.remote("users:1") == "7\n")
        #expect(try await scene.run("sync conflicts resolve \(ids[1]) --keep-remote --yes").status == 0)
        #expect(scene.server.ask("GET users:2").contains("foreign"))
        // Written here since: not lost by accident.
        _ = try await scene.tool.run("set", "users:3", "8")
        let refused = try await scene.run("sync conflicts resolve --all --keep-local --yes")
        #expect(refused.status == 3 && refused.errors.contains("--overwrite"), "\(refused.errors)")
        #expect(try await scene.remote("users:3") == "8\n")
        #expect(try await scene.run("sync conflicts resolve --all --keep-local --overwrite --yes").status == 0)
        #expect(try await scene.remote("users:3") == "7\n")
        #expect(try await scene.objects("sync conflicts list").isEmpty)
        #expect(try await scene.run("sync status").status == 0)
    }

    @Test func `a decision about many that is killed in between loses none, and goes on when it is run again`()
        async throws
    {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        let lines = (0..<1500).map { #"{"key":"k:\#($0)","value":1}"# }.joined(separator: "\n")
        let imported = try await scene.tool.run("import", input: lines, environment: ["CACHEKIT_REDIS_URL": nil])
        #expect(imported.status == 0, "\(imported.errors)")
        let refusing = try await RedisServer.start(["--rename-command", "SET", ""])
        defer { refusing.stop() }
        #expect(try await scene.run("sync push --redis \(refusing.url)").status == 5)
        let outcome = try await scene.tool.shell(
            """
            unset CACHEKIT_REDIS_URL
            for round in $(seq 20); do
                "$CACHEKIT_EXECUTABLE" sync dead-letters retry --namespace k >/dev/null 2>&1 & pid=$!
                sleep $(printf '0.%03d' $((round * 12))); kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
                cachekit sync status --json
            done
            cachekit sync dead-letters retry --namespace k >/dev/null; cachekit sync status --json
            """)
        let counts = try outcome.objects().map {
            ($0["dead_letters"] as? Int ?? -1, $0["pending_changes"] as? Int ?? -1)
        }
        #expect(counts.count == 21)
        #expect(counts.allSatisfy { $0.0 + $0.1 == 1500 }, "\(counts)")
        #expect(counts.last.map { $0 == (0, 1500) } == true, "\(counts)")
        #expect(try await scene.run("sync push").status == 0)
        #expect(try await scene.remote("k:1499") == "1\n")
    }

    @Test func `what was dropped is served from the file until Redis says otherwise`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["a"], ago: .seconds(8 * 86_400))
        #expect(try await scene.run("sync push").status == 5)
        #expect(try await scene.run("sync parked drop --all --yes").status == 0)
        #expect(try await scene.tool.run("get", "a", environment: ["CACHEKIT_REDIS_URL": nil]).output == "1\n")
        _ = try await scene.tool.run("set", "a", "2", "--database", scene.tool.path("other.db"))
        _ = try await scene.tool.run("set", "b", "1")
        #expect(try await scene.run("sync status").status == 0)
        #expect(try await scene.remote("a") == "2\n")
    }

    @Test func `no name of a key is in a message or in the status`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["secret:name"], ago: .seconds(8 * 86_400))
        try await scene.write(["secret:other"], ago: .seconds(600))
        scene.writeForeign(["secret:other"])
        for command in [
            "push", "status", "status --json", "parked drop --all", "conflicts resolve --all --keep-remote",
        ] {
            let outcome = try await scene.run("sync \(command)")
            #expect(outcome.status != 0)
            #expect(!outcome.output.contains("secret") && !outcome.errors.contains("secret"), "\(command)")
        }
    }

    @Test(arguments: [
        "parked send", "dead-letters drop --yes", "conflicts resolve --all --yes",
        "conflicts resolve --all --keep-local --keep-remote --yes", "parked send 1 --all",
        "conflicts resolve --all --keep-remote --overwrite --yes", "parked drop 1 --namespace a --yes",
        "parked list --limit 0", "dead-letters retry x",
    ])
    func `a decision that does not say about what, or which, is a fault of usage`(command: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let outcome = try await tool.shell("cachekit sync \(command)")
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
    }

    // MARK: Asking

    @Test(arguments: ["parked drop --all", "dead-letters drop --all", "conflicts resolve --all --keep-remote"])
    func `in a pipe what loses something needs a yes on the command line`(command: String) async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.setAsideOneOfEach()
        let before = try await scene.counts()
        let outcome = try await scene.tool.shell("yes | cachekit sync \(command) | cat; exit ${PIPESTATUS[1]}")
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("--yes"), "\(outcome.errors)")
        #expect(try await scene.counts() == before, "nothing was changed")
    }

    private static let hasScript = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

    @Test(
        .enabled(if: hasScript, "script(1) is not installed"),
        arguments: ["parked drop --all", "dead-letters drop --all", "conflicts resolve --all --keep-remote"])
    func `on a terminal a person is asked, and only a yes goes on`(command: String) async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.setAsideOneOfEach()
        let before = try await scene.counts()
        func answer(_ text: String) async throws -> CommandLineTool.Outcome {
            // The answer is typed once the question stands there.
            try await scene.tool.shell(
                #"""
                trap '' PIPE; rm -f typescript keys; mkfifo keys
                script -q -e -f -c '"$CACHEKIT_EXECUTABLE" sync \#(command)' typescript <keys >/dev/null 2>&1 & pid=$!
                exec 3>keys
                for try in $(seq 400); do grep -q 'y/N' typescript 2>/dev/null && break; sleep 0.05; done
                printf '\#(text)\n' >&3 || true
                wait $pid; status=$?; exec 3>&-; rm keys
                cat typescript; exit $status
                """#)
        }
        let no = try await answer("no")
        #expect(no.status == 3, "\(no.output)\(no.errors)")
        #expect(no.output.contains("? [y/N] ") && no.output.contains("nothing was changed"), "\(no.output)")
        #expect(try await scene.counts() == before, "nothing was changed")
        let yes = try await answer("y")
        #expect(yes.status == 0, "\(yes.output)\(yes.errors)")
        #expect(try await scene.counts() == before - 1)
    }
}

extension OperatorScene {
    /// One dead letter, one parked change, one conflict.
    func setAsideOneOfEach() async throws {
        // The oldest first: stamps of a file only grow.
        try await write(["users:old"], ago: .seconds(8 * 86_400))
        try await write(["users:lost"], ago: .seconds(600))
        writeForeign(["users:lost"])
        _ = try await run("sync push")
        let refusing = try await RedisServer.start(["--rename-command", "SET", ""])
        defer { refusing.stop() }
        try await write(["users:refused"], ago: .zero)
        _ = try await run("sync push --redis \(refusing.url)")
    }

    /// How much there is to decide.
    func counts() async throws -> Int {
        let status = try await objects("sync status").first
        return ["dead_letters", "parked", "conflicts"].reduce(0) { $0 + (status?[$1] as? Int ?? 0) }
    }
}
