import CacheKitTesting
import Foundation
import Testing

/// `cachekit sync replay` as an operator uses it, beside a real server.
@Suite(.serialized, .timeLimit(.minutes(10)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct SyncReplayTests {
    /// A file whose changes a server had, and lost.
    private struct World {
        var tool: CommandLineTool
        let server: RedisServer
        let count: Int

        init(_ count: Int, isEmptied: Bool = true) async throws {
            server = try await RedisServer.start(["--save", ""])
            tool = try CommandLineTool()
            tool.environment["CACHEKIT_REDIS_URL"] = server.unixURL
            self.count = count
            let lines = (0..<count).map { #"{"key":"users:\#($0)","value":\#($0)}"# }.joined(separator: "\n")
            let imported = try await tool.run("import", "-", "--ttl", "1d", input: lines)
            #expect(imported.status == 0, "\(imported.errors)")
            let pushed = try await tool.run("sync", "push")
            #expect(pushed.status == 0, "\(pushed.errors)")
            #expect(try await keysThere() == count)
            if isEmptied { try await redis("FLUSHALL") }
        }

        func remove() {
            server.stop()
            tool.remove()
        }

        @discardableResult
        func redis(_ arguments: String...) async throws -> String {
            let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
            return try await tool.shell("redis-cli -s '\(server.socketPath)' \(quoted)").output
        }

        func keysThere() async throws -> Int {
            let buckets = try await redis("--raw", "KEYS", "ckv:*").split(separator: "\n").count
            return (Int(try await redis("DBSIZE").filter(\.isNumber)) ?? 0) - buckets
        }

        /// Starts a slow replay, waits until part of it is noted, sends it a signal, and says how it ended.
        func interrupt(_ signal: String, rate: Int) async throws -> CommandLineTool.Outcome {
            try await tool.shell(
                """
                set -m
                "$CACHEKIT_EXECUTABLE" sync replay --json --rate \(rate) &
                process=$!
                for _ in $(seq 300); do
                  cachekit sync replay --list --json | grep -q '"examined":[1-9]' && break
                  sleep 0.05
                done
                kill -\(signal) $process
                wait $process
                """)
        }
    }

    private func fields(_ outcome: CommandLineTool.Outcome) throws -> [String: Any] {
        let line = try #require(outcome.outputLines.last, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    @Test func `a server that was emptied gets everything back, and again it has it already`() async throws {
        let world = try await World(300)
        defer { world.remove() }
        let dry = try await world.tool.run("sync", "replay", "--dry-run", "--json")
        #expect(dry.status == 0 && dry.errors.isEmpty, "\(dry.errors)")
        #expect(try fields(dry)["applied"] as? Int == 300)
        #expect(try await world.keysThere() == 0)
        let replay = try await world.tool.run("sync", "replay", "--json")
        #expect(replay.status == 0 && replay.errors.isEmpty, "\(replay.errors)")
        let first = try fields(replay)
        #expect(first["schema"] as? Int == 1 && first["state"] as? String == "finished")
        #expect(first["applied"] as? Int == 300 && first["examined"] as? Int == 300)
        #expect(try await world.keysThere() == 300)
        #expect(try await world.tool.run("get", "users:7").output == "7\n")
        let again = try fields(try await world.tool.run("sync", "replay", "--json"))
        #expect(again["already"] as? Int == 300 && again["applied"] as? Int == 0)
        #expect(again["run"] as? String != first["run"] as? String)
        // People read lines, and what the file itself still expects of the server is not disturbed.
        let text = try await world.tool.run("sync", "replay")
        #expect(text.output.contains(/already +300\n/))
        #expect(try await world.tool.run("sync", "push").status == 0)
    }

    @Test func `after Ctrl-C the same command goes on, and its totals are of the whole replay`() async throws {
        let world = try await World(TestEffort.count(short: 6_000, long: 100_000))
        defer { world.remove() }
        let stopped = try await world.interrupt("INT", rate: world.count / 5)
        #expect(stopped.status == 3, "\(stopped.errors)")
        #expect(stopped.errors.contains("the same command goes on from there"))
        let first = try fields(stopped)
        let done = try #require(first["examined"] as? Int)
        #expect(done > 0 && done < world.count && first["state"] as? String == "stopped")
        #expect(try await world.keysThere() == done, "the batch in flight was counted")
        let listed = try await world.tool.run("sync", "replay", "--list")
        #expect(listed.output.contains("\(done) examined"), "\(listed.output)")
        let ended = try await world.tool.run("sync", "replay", "--json")
        #expect(ended.status == 0, "\(ended.errors)")
        let last = try fields(ended)
        #expect(last["resumed"] as? Bool == true && last["run"] as? String == first["run"] as? String)
        #expect(last["examined"] as? Int == world.count && last["applied"] as? Int == world.count)
        #expect(try await world.keysThere() == world.count)
        #expect(try await world.tool.run("sync", "replay", "--list").output.isEmpty)
    }

    @Test func `after a kill a batch may be sent twice, and is counted once`() async throws {
        let world = try await World(TestEffort.count(short: 6_000, long: 100_000))
        defer { world.remove() }
        let killed = try await world.interrupt("KILL", rate: world.count / 5)
        #expect(killed.status == 137)
        let last = try fields(try await world.tool.run("sync", "replay", "--json"))
        #expect(last["resumed"] as? Bool == true && last["state"] as? String == "finished")
        #expect(last["examined"] as? Int == world.count)
        let (applied, already) = (last["applied"] as? Int ?? 0, last["already"] as? Int ?? 0)
        #expect(applied + already == world.count)
        #expect(try await world.keysThere() == world.count)
    }

    @Test func `progress is drawn in place on a terminal, and on a pipe there is the report alone`() async throws {
        let world = try await World(3_000)
        defer { world.remove() }
        let terminal = try PseudoTerminal()
        var environment = world.tool.environment
        environment["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        let output = world.tool.folder.appending(path: "report.json")
        let status = try await terminal.run(
            CommandLineTool.executable, ["sync", "replay", "--json", "--rate", "2000"], environment: environment,
            output: output)
        #expect(status == 0)
        let shown = terminal.text
        // Count, rate, share and time left, each in the place of the one before; the last leaves nothing behind.
        let drawn = shown.matches(of: /\r\u{1B}\[Kreplayed (\d+), (\d+)\/s, (\d+) %, (\d+) s left/)
        #expect(drawn.count >= 2, "\(shown)")
        #expect(!shown.contains("\n") && shown.hasSuffix("\r\u{1B}[K"))
        let counts = drawn.compactMap { Int($0.1) }
        #expect(counts == counts.sorted() && counts.allSatisfy { $0 <= 3_000 })
        let report = try String(contentsOf: output, encoding: .utf8)
        #expect(report.split(separator: "\n").count == 1 && report.contains(#""examined":3000"#))
        let piped = try await world.tool.run("sync", "replay", "--json", "--rate", "20000")
        #expect(piped.errors.isEmpty && piped.outputLines.count == 1)
    }

    @Test func `filters, refusals and conflicts end as they are documented to`() async throws {
        let world = try await World(20, isEmptied: false)
        defer { world.remove() }
        try await world.redis("DEL", "users:1", "users:2")
        try await world.redis("SET", "users:3", "foreign")
        let some = try fields(try await world.tool.run("sync", "replay", "--match", "users:1*", "--json"))
        #expect(some["applied"] as? Int == 1 && some["skipped_not_selected"] as? Int == 9)
        let other = try await world.tool.run("sync", "replay", "--namespace", "orders", "--json")
        #expect(try other.status == 0 && fields(other)["sent"] as? Int == 0)
        let left = try await world.tool.run("sync", "replay", "--json")
        #expect(left.status == 4 && left.errorLines.count == 1, "\(left.errors)")
        #expect(try fields(left)["foreign"] as? Int == 1)
        #expect(try await world.redis("GET", "users:3") == "foreign\n")
        let won = try await world.tool.run("sync", "replay", "--policy", "local-wins", "--json")
        #expect(try won.status == 0 && fields(won)["local_won"] as? Int == 1)
        try await world.redis("DEL", "users:4")
        try await world.redis("LPUSH", "users:4", "a")
        let refused = try await world.tool.run("sync", "replay", "--json")
        #expect(try refused.status == 3 && fields(refused)["failed"] as? Int == 1)
        for arguments in [["--rate", "0"], ["--from-sequence", "9", "--to-sequence", "3"], ["--policy", "mine"]] {
            let wrong = try await world.tool.run(["sync", "replay"] + arguments, bytes: Data())
            #expect(wrong.status == 2, "\(wrong.errors)")
        }
    }

    @Test func `a server that goes away ends it with 6, and what was sent is not sent again`() async throws {
        let world = try await World(4_000)
        defer { world.remove() }
        let outcome = try await world.tool.shell(
            """
            "$CACHEKIT_EXECUTABLE" sync replay --json --rate 1000 &
            process=$!
            for _ in $(seq 300); do
              cachekit sync replay --list --json | grep -q '"examined":[1-9]' && break
              sleep 0.05
            done
            redis-cli -s '\(world.server.socketPath)' SHUTDOWN NOSAVE
            wait $process
            """)
        #expect(outcome.status == 6, "\(outcome.errors)")
        let failed = try fields(outcome)
        #expect(failed["state"] as? String == "failed")
        try await world.server.restart()
        let done = try #require(failed["examined"] as? Int)
        let last = try fields(try await world.tool.run("sync", "replay", "--json"))
        #expect(last["examined"] as? Int == 4_000 && last["resumed"] as? Bool == true)
        #expect(try await world.keysThere() == 4_000 - done)
    }

    @Test func `pending changes are another process's while that has the lease; settled ones are anybody's`()
        async throws
    {
        let world = try await World(50)
        defer { world.remove() }
        let outcome = try await world.tool.shell(
            """
            set -m
            "$CACHEKIT_EXECUTABLE" sync replay --state all --rate 4 >/dev/null 2>&1 &
            process=$!
            for _ in $(seq 300); do
              cachekit sync replay --list --json | grep -q '"examined":[1-9]' && break
              sleep 0.05
            done
            cachekit sync replay --state pending; echo "pending $?"
            cachekit sync push >/dev/null; echo "push $?"
            cachekit sync replay --json; echo "settled $?"
            kill -INT $process
            wait $process; echo "all $?"
            cachekit sync replay --state pending >/dev/null; echo "pending $?"
            """)
        let ends = outcome.outputLines.filter { !$0.hasPrefix("{") }
        #expect(ends == ["pending 8", "push 8", "settled 0", "all 3", "pending 0"], "\(outcome.errors)")
        #expect(outcome.output.contains(#""examined":50"#))
    }
}
