import CacheKitTesting
import Foundation
import Testing

/// What each command does when all is well.
struct CommandTests {
    @Test func `a value set from the shell is read back, listed, exported and counted`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        #expect(try await tool.run("set", "users:42", #"{"name":"Ada","score":2.0,"tags":[1,"x",null]}"#).status == 0)
        let get = try await tool.run("get", "42", "--namespace", "users")
        #expect(get.output == #"{"name":"Ada","score":2.0,"tags":[1,"x",null]}"# + "\n")
        #expect(get.status == 0)
        #expect(try await tool.run("list").output == "users:42\n")
        let export = try await tool.run("export", "--namespace", "users")
        #expect(export.output.hasPrefix(#"{"key":"users:42","value":{"name":"Ada","score":2.0"#))
        let stats = try await tool.run("stats", "--json")
        #expect(stats.output.contains(#""entries":1"#))
        let verify = try await tool.run("verify", "--json")
        #expect(verify.status == 0)
        #expect(verify.output.contains(#""values_opened":1"#))
    }

    @Test func `raw bytes go in and come out as they are`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let bytes = Data((0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }) + Data([0, 10, 255])
        #expect(try await tool.run(["set", "blob", "--raw"], bytes: bytes).status == 0)
        let shell = try await tool.shell("cachekit get blob --raw > out.bin")
        #expect(shell.status == 0)
        #expect(try Data(contentsOf: tool.folder.appending(path: "out.bin")) == bytes)
        // What is not bytes is refused, not printed as something else.
        _ = try await tool.run("set", "number", "7")
        #expect(try await tool.run("get", "number", "--raw").status == 3)
    }

    @Test func `a missing key exits with 3 and prints nothing on standard output`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "something", "1")
        let outcome = try await tool.run("get", "nothing")
        #expect(outcome.status == 3)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1)
    }

    @Test func `a deleted key is gone`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        _ = try await tool.run("set", "b", "2")
        #expect(try await tool.run("delete", "a", "never-there").status == 0)
        #expect(try await tool.run("get", "a").status == 3)
        #expect(try await tool.run("list").output == "b\n")
    }

    @Test func `an export imports into another file`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        for index in 0..<20 { _ = try await tool.run("set", "k\(index)", #"{"n":\#(index)}"#, "--ttl", "2h") }
        let export = try await tool.run("export")
        #expect(export.outputLines.count == 20)
        let other = tool.path("other.db")
        let imported = try await tool.run("import", "--json", "--database", other, input: export.output)
        #expect(imported.output == #"{"imported":20,"rejected":0,"lines":20}"# + "\n")
        #expect(try await tool.run("get", "k7", "--database", other).output == "{\"n\":7}\n")
    }

    @Test func `list takes a prefix, a namespace and a limit`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let keys = ["users:1", "users:12", "user", "other:1", "users:2"]
        _ = try await tool.run("import", input: keys.map { #"{"key":"\#($0)","value":1}"# }.joined(separator: "\n"))
        #expect(try await tool.run("list", "--prefix", "users:1").output == "users:1\nusers:12\n")
        #expect(try await tool.run("list", "--namespace", "users", "--prefix", "1").output == "users:1\nusers:12\n")
        #expect(try await tool.run("list", "--namespace", "users").output == "users:1\nusers:12\nusers:2\n")
        #expect(try await tool.run("list", "--limit", "2").output == "users:1\nusers:12\n")
        #expect(try await tool.run("list", "--prefix", "users:", "--limit", "9").outputLines.count == 3)
        #expect(try await tool.run("list", "--prefix", "nobody").output.isEmpty)
        #expect(try await tool.run("list", "--limit", "0").status == 2)
    }

    @Test func `import takes a TTL for lines without one, and a namespace for all`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let lines = [
            #"{"key":"a","value":1}"#, #"{"key":"b","value":2,"ttl":30}"#, #"{"key":"c","value":3,"ttl":null}"#,
        ]
        let imported = try await tool.run(
            "import", "--ttl", "2h", "--namespace", "n", input: lines.joined(separator: "\n"))
        #expect(imported.status == 0)
        let listed = try await tool.run("list", "--json").outputLines
        #expect(listed.map { $0.prefix(12) } == [#"{"key":"n:a""#, #"{"key":"n:b""#, #"{"key":"n:c""#])
        let lives = listed.compactMap { $0.firstMatch(of: /"ttl":(\d+)/).flatMap { Int($0.1) } }
        #expect(lives.count == 3 && (7100...7200).contains(lives[0]) && (1...30).contains(lives[1]), "\(lives)")
        #expect(lives.count == 3 && (7100...7200).contains(lives[2]), "\(lives)")
        #expect(try await tool.run("get", "b", "--namespace", "n").output == "2\n")
    }

    @Test func `a time to live ends`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "brief", "1", "--ttl", "1ms")
        _ = try await tool.run("set", "long", "1", "--ttl", "7d")
        #expect(try await tool.run("get", "brief").status == 3)
        #expect(try await tool.run("list", "--json").output.contains(#""ttl":604"#))
    }

    @Test func `a generated key works from a file, and only while others can't read it`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let key = try await tool.run("keys", "generate")
        #expect(key.output.count == 65)
        try Data(key.output.utf8).write(to: tool.folder.appending(path: "key"))
        chmod(tool.path("key"), 0o644)
        let open = try await tool.run("set", "a", "1", "--key-file", tool.path("key"))
        #expect(open.status == 2)
        #expect(open.errors.contains("chmod 600"))
        chmod(tool.path("key"), 0o600)
        #expect(try await tool.run("set", "a", "1", "--key-file", tool.path("key")).status == 0)
        #expect(try await tool.run("get", "a", "--key-file", tool.path("key")).output == "1\n")
    }

    @Test func `help, version and completion scripts go to standard output`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        #expect(try await tool.run("--help").output.contains("Shell completion"))
        #expect(try await tool.run("--version").output.wholeMatch(of: /cachekit \d+\.\d+\.\d+ \([0-9a-z-]+\)\n/) != nil)
        #expect(try await tool.run("--generate-completion-script", "bash").status == 0)
    }

    @Test func `the key of another SDK's call is printed`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // From the shared vectors: "single_int".
        #expect(
            try await tool.run("keys", "interop", "users", "get_user", "[42]").output
                == "users:get_user:61598716255080080f6456eb065c2e51badfaa4320b0efe97469c29cffee8875\n")
    }

    @Test func `a reader that goes away ends the output quietly`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let lines = (0..<3000).map { #"{"key":"a-long-key-number-\#($0)","value":1}"# }.joined(separator: "\n")
        _ = try await tool.run("import", input: lines)
        let outcome = try await tool.shell("set -o pipefail; cachekit list | head -n 1")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `get and set work against Redis alone, and against file and Redis`() async throws {
        var tool = try CommandLineTool()
        defer { tool.remove() }
        let server = try await RedisServer.start()
        defer { server.stop() }
        let database = tool.environment.removeValue(forKey: "CACHEKIT_DATABASE")
        tool.environment["CACHEKIT_REDIS_URL"] = server.url
        #expect(try await tool.run("set", "remote", #""text""#).status == 0)
        #expect(try await tool.run("get", "remote").output == "\"text\"\n")
        #expect(try await tool.run("set", "shared", "1", "--plain", "--mode", "interop").status == 0)
        #expect(try await tool.run("get", "shared", "--plain", "--mode", "interop").output == "1\n")
        // Sealed and plain are never mixed up.
        #expect(try await tool.run("get", "shared", "--mode", "interop").status == 7)

        tool.environment["CACHEKIT_DATABASE"] = database
        #expect(try await tool.run("set", "both", "[1,2]").status == 0)
        tool.environment["CACHEKIT_DATABASE"] = nil
        #expect(try await tool.run("get", "both").output == "[1,2]\n")
        tool.environment["CACHEKIT_DATABASE"] = database
        #expect(try await tool.run("delete", "both").status == 0)
        tool.environment["CACHEKIT_DATABASE"] = nil
        #expect(try await tool.run("get", "both").status == 3)
    }

    /// What a push prints as JSON.
    static func report(applied: Int, resent: Int = 0, deadLetters: Int = 0) -> String {
        let lost = #""superseded":0,"lost_to_newer":0,"lost_to_foreign":0,"lost_to_absence":0,"expired":0"#
        return
            #"{"schema":1,"applied":\#(applied),\#(lost),"resent":\#(resent),"parked":0,"dead_letters":\#(deadLetters),"pending_changes":0}"#
            + "\n"
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `what was written without Redis is pushed when it is there`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let lines = (0..<1200).map { #"{"key":"k\#($0)","value":{"n":\#($0)},"ttl":600}"# }.joined(separator: "\n")
        #expect(try await tool.run("import", input: lines).status == 0)
        #expect(try await tool.run("sync", "status", "--json").output.contains(#""pending_changes":1200"#))
        let server = try await RedisServer.start()
        defer { server.stop() }
        let push = try await tool.run("sync", "push", "--redis", server.unixURL, "--json")
        #expect(push.output == Self.report(applied: 1200))
        #expect(push.status == 0)
        #expect(try await tool.run("sync", "status", "--json").output.contains(#""next_steps":["nothing waits"]"#))
        let read = try await tool.run(
            "get", "k1199", "--redis", server.unixURL, environment: ["CACHEKIT_DATABASE": nil])
        #expect(read.output == "{\"n\":1199}\n")
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `sync run pushes what comes and drains when it is told to stop`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let server = try await RedisServer.start()
        defer { server.stop() }
        let outcome = try await tool.shell(
            """
            "$CACHEKIT_EXECUTABLE" sync run --redis "\(server.unixURL)" 2>run.log & pid=$!
            for try in $(seq 200); do grep -q pushing run.log && break; sleep 0.05; done
            for n in 1 2 3; do cachekit set key$n $n --database "$CACHEKIT_DATABASE"; done
            held() { redis-cli -s \(server.socketPath) keys 'key*' | wc -l; }
            for try in $(seq 200); do [ "$(held)" = 3 ] && break; sleep 0.05; done
            held
            kill -TERM $pid; wait $pid; echo status $?
            """)
        #expect(outcome.output == "3\nstatus 0\n", "\(outcome.errors)")
    }
}
