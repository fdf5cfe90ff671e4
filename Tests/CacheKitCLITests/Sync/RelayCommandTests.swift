import CacheKitTesting
import Foundation
import Testing

/// Sending what a file holds without being able to read it: the real command, a real server, and no master key in sight.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct RelayCommandTests {
    /// A file with a sealed value, a plain one and a delete that wait, and a relay key for it.
    private func scene() async throws -> OperatorScene {
        let scene = try await OperatorScene()
        for arguments in [
            ["set", "users:1", "1", "--ttl", "10m"], ["set", "plain:1", "\"open\"", "--plain", "--ttl", "10m"],
            ["delete", "old:1"],
        ] {
            let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
            let outcome = try await scene.tool.shell("unset CACHEKIT_REDIS_URL; cachekit \(quoted)")
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        let exported = try await scene.run("keys export --relay relay.key --json")
        #expect(exported.status == 0 && exported.output == "{\"file_bytes\":117}\n", "\(exported.errors)")
        return scene
    }

    private func relay(_ scene: OperatorScene, _ command: String) async throws -> CommandLineTool.Outcome {
        try await scene.tool.shell("unset CACHEKIT_MASTER_KEY; cachekit \(command) --relay-key relay.key")
    }

    @Test func `sealed values and deletes go out as with the key, plain values wait for somebody who has it`()
        async throws
    {
        let scene = try await scene()
        defer { scene.stop() }
        _ = scene.server.ask("SET old:1 something")
        let push = try await relay(scene, "sync push --json")
        #expect(push.status == 5, "\(push.errors)")
        #expect(push.errors.contains("1 changes have plain values") && !push.errors.contains("too old"))
        let report = try #require(try push.objects().first)
        #expect(report["parked"] as? Int == 1 && report["pending_changes"] as? Int == 0)
        // Who has the key reads it from Redis, for as long as it was meant to live.
        #expect(try await scene.remote("users:1") == "1\n")
        let life = try #require(Int(scene.server.ask("PTTL users:1").filter(\.isNumber)))
        #expect((500_000...600_000).contains(life))
        #expect(scene.server.ask("EXISTS plain:1").contains("0"))
        // Told as what it is, by the relay's own means.
        let status = try #require(try await relay(scene, "sync status --json").objects().first)
        #expect((status["parked_reasons"] as? [String: Int]) == ["needsKey": 1])
        let parked = try await relay(scene, "sync parked list --json").objects()
        #expect(parked.map { $0["key"] as? String } == ["plain:1"])
        #expect(parked.map { $0["reason"] as? String } == ["needsKey"])
        // Version and fingerprint in Redis are those that the key's owner would have sent.
        let replay = try #require(try await scene.objects("sync replay --policy report").first)
        #expect(replay["sent"] as? Int == replay["already"] as? Int, "\(replay)")
        #expect(replay["already"] as? Int ?? 0 >= 1)
        // What a relay can tell of Redis without opening anything, it tells.
        let verified = try await relay(scene, "sync verify --json")
        #expect(try verified.objects().first?["same"] as? Int ?? 0 >= 1, "\(verified.output)\(verified.errors)")
        // With the key it goes.
        let sent = try await scene.run("sync parked send --all")
        #expect(sent.status == 0, "\(sent.errors)")
        #expect(
            try await scene.tool.shell("unset CACHEKIT_DATABASE; cachekit get plain:1 --plain").output == "\"open\"\n")
        #expect(try await relay(scene, "sync push").status == 0)
    }

    @Test func `a plain value that Redis has lost again is parked again, a sealed one is sent again`() async throws {
        let scene = try await scene()
        defer { scene.stop() }
        _ = try await scene.run("sync push")
        #expect(
            try await scene.tool.shell("unset CACHEKIT_DATABASE; cachekit get plain:1 --plain").output == "\"open\"\n")
        _ = scene.server.ask("FLUSHALL")
        let push = try await relay(scene, "sync push --json")
        #expect(push.status == 5, "\(push.errors)")
        #expect(try push.objects().first?["resent"] as? Int ?? 0 >= 1)
        #expect(try await scene.remote("users:1") == "1\n")
        #expect(scene.server.ask("EXISTS plain:1").contains("0"))
        #expect(try await scene.run("sync parked send --all").status == 0)
        #expect(scene.server.ask("EXISTS plain:1").contains("1"))
    }

    @Test func `whatever needs a value is refused on one line that says what to do`() async throws {
        let scene = try await scene()
        defer { scene.stop() }
        try Data("{\"key\":\"a\",\"value\":1,\"ttl\":60}\n".utf8).write(
            to: URL(fileURLWithPath: scene.tool.path("lines")))
        for command in [
            "get users:1", "get plain:1 --plain", "get nobody", "set users:2 2", "delete users:1", "import lines",
            "export",
            "verify", "backup copy.db", "keys rotate", "keys retire", "keys export --relay second.key", "sync replay",
        ] {
            let outcome = try await relay(scene, command)
            #expect(outcome.status == 7, "\(command): \(outcome.status) \(outcome.errors)")
            #expect(outcome.output.isEmpty, "\(command): \(outcome.output)")
            #expect(
                outcome.errorLines.count == 1 && outcome.errors.contains("give the master key"),
                "\(command): \(outcome.errors)")
        }
        for name in ["copy.db", "second.key"] {
            #expect(!FileManager.default.fileExists(atPath: scene.tool.path(name)), "\(name)")
        }
        // These have a report of how far they came, too.
        for command in ["sync pull", "sync pull --pin users:", "sync verify --open", "sync verify --sample 0.5"] {
            let outcome = try await relay(scene, command)
            #expect(outcome.status == 7, "\(command): \(outcome.status) \(outcome.errors)")
            #expect(outcome.errorLines.count == 1 && outcome.errors.contains("give the master key"), "\(command)")
        }
        // The names are no secret to it.
        let listed = try await relay(scene, "list --json").objects()
        let withKey = try await scene.objects("list")
        #expect(listed.map { $0["key"] as? String } == ["users:1", "plain:1"])
        #expect(listed.map { $0["bytes"] as? Int } == withKey.map { $0["bytes"] as? Int })
        #expect(try await relay(scene, "stats").status == 0)
    }

    @Test func `a relay key that is another file's, damaged, or open to others is told`() async throws {
        let scene = try await scene()
        defer { scene.stop() }
        let mode = try FileManager.default.attributesOfItem(atPath: scene.tool.path("relay.key"))[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let again = try await scene.run("keys export --relay relay.key")
        #expect(again.status == 2 && again.errors.contains("replaces nothing"), "\(again.errors)")
        _ = try await scene.tool.shell("unset CACHEKIT_REDIS_URL; cachekit set k 1 --database other.db")
        let other = try await relay(scene, "sync status --database other.db")
        #expect(other.status == 7 && other.errors.contains("made for another file"), "\(other.errors)")
        let missing = try await relay(scene, "sync push --database missing.db")
        #expect(missing.status == 9 && !FileManager.default.fileExists(atPath: scene.tool.path("missing.db")))
        let both = try await scene.run("sync status --relay-key relay.key --key-file relay.key")
        #expect(both.status == 2, "\(both.errors)")
        _ = try await scene.tool.shell("chmod 640 relay.key")
        let open = try await relay(scene, "sync push")
        #expect(open.status == 2 && open.errors.contains("chmod 600"), "\(open.errors)")
        _ = try await scene.tool.shell("chmod 600 relay.key; printf x | dd of=relay.key bs=1 seek=60 conv=notrunc")
        let damaged = try await relay(scene, "sync push")
        #expect(damaged.status == 7 && damaged.errors.contains("damaged"), "\(damaged.errors)")
        #expect(scene.server.ask("EXISTS users:1").contains("0"))
    }

    @Test func `what loses on the way is kept, and the next read asks Redis for the winner`() async throws {
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.write(["users:1"], value: 1, ago: .seconds(600))
        #expect(try await scene.run("keys export --relay relay.key").status == 0)
        #expect(try await scene.run("set users:1 2 --database other.db").status == 0)
        let push = try await relay(scene, "sync push")
        #expect(push.status == 4, "\(push.errors)")
        let conflicts = try await relay(scene, "sync conflicts list --json").objects()
        #expect(conflicts.map { $0["reason"] as? String } == ["stale"])
        let shown = try await relay(scene, "sync conflicts resolve --all --keep-local --yes")
        #expect(shown.status == 7 && shown.errors.contains("give the master key"), "\(shown.errors)")
        #expect(try await scene.run("get users:1").output == "2\n")
        // The loser is whole: who has the key may take it back.
        #expect(try await scene.run("sync conflicts resolve --all --keep-local --overwrite --yes").status == 0)
        #expect(try await scene.remote("users:1") == "1\n")
    }

    @Test func `a relay that runs sends what a service without Redis writes beside it`() async throws {
        let scene = try await scene()
        defer { scene.stop() }
        let outcome = try await scene.tool.shell(
            """
            master=$CACHEKIT_MASTER_KEY; unset CACHEKIT_MASTER_KEY
            "$CACHEKIT_EXECUTABLE" sync run --relay-key relay.key & pid=$!
            redis() { redis-cli -u "$CACHEKIT_REDIS_URL" "$@"; }
            there() { for i in $(seq 200); do [ "$(redis exists $1)" = 1 ] && return; sleep 0.05; done; echo "no $1"; }
            there users:1
            (unset CACHEKIT_REDIS_URL; CACHEKIT_MASTER_KEY=$master cachekit set users:9 9)
            there users:9
            kill -TERM $pid; wait $pid; echo "ended with $?"
            """)
        #expect(outcome.output == "ended with 5\n", "\(outcome.output)\(outcome.errors)")
        #expect(try await scene.remote("users:9") == "9\n")
    }
}
