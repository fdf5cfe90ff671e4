import CacheKitTesting
import Foundation
import Testing

/// What the command says and how it ends when there is a file and Redis is away, refuses, or takes only some of it.
struct RedisAwayTests {
    /// `cachekit` beside a Redis that nobody has started.
    private func tool(_ url: (CommandLineTool) -> String) throws -> CommandLineTool {
        var tool = try CommandLineTool()
        tool.environment["CACHEKIT_REDIS_URL"] = url(tool)
        return tool
    }

    private func nowhere(_ tool: CommandLineTool) -> String { "redis+unix://" + tool.path("nobody.sock") }

    private func pending(_ tool: CommandLineTool) async throws -> String {
        let stats = try await tool.run("stats", "--json").output
        return stats.firstMatch(of: /"pending_changes":\d+/).map { String($0.output) } ?? stats
    }

    // MARK: Writing beside a Redis that is away

    @Test func `a write is acknowledged from the file at once, and one line says what becomes of it`() async throws {
        let tool = try tool(nowhere)
        defer { tool.remove() }
        let start = ContinuousClock.now
        let set = try await tool.run("set", "a", "1")
        // Ten seconds of trying again would show, on whatever machine.
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(set.status == 0, "\(set.errors)")
        #expect(set.errorLines.count == 1, "\(set.errors)")
        #expect(set.errors.contains("the change is kept in the file and goes out with: cachekit sync push"))
        #expect(set.output.isEmpty)
        let delete = try await tool.run("delete", "a")
        #expect(delete.status == 0)
        #expect(delete.errorLines.count == 1 && delete.errors.contains("cachekit sync push"), "\(delete.errors)")
        let lines = (0..<700).map { #"{"key":"k\#($0)","value":1}"# }.joined(separator: "\n")
        let imported = try await tool.run("import", "--json", input: lines)
        #expect(imported.status == 0)
        #expect(imported.output == #"{"imported":700,"rejected":0,"lines":700}"# + "\n")
        #expect(imported.errorLines.count == 1, "\(imported.errors)")
        #expect(imported.errors.contains("701 changes are kept in the file and go out with: cachekit sync push"))
        #expect(ContinuousClock.now - start < .seconds(15))
        #expect(try await tool.run("import", "--json", input: "no line").status == 3)
        #expect(try await pending(tool) == #""pending_changes":701"#)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a refused password is named on the same line, and the exit code is 7`() async throws {
        let server = try await RedisServer.start(["--requirepass", "right"])
        defer { server.stop() }
        let tool = try tool { _ in "redis://:wr0ng-secret@" + server.url.dropFirst("redis://".count) }
        defer { tool.remove() }
        let line = #"{"key":"b","value":1}"#
        for arguments in [["set", "a", "1"], ["delete", "a"], ["import", "-"]] {
            let outcome = try await tool.run(arguments, bytes: Data(line.utf8))
            #expect(outcome.status == 7, "\(outcome.errors)")
            #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains("kept in the file") && outcome.errors.contains("password is wrong"))
            #expect(!outcome.errors.contains("wr0ng-secret"))
        }
        // The report of an import stands all the same.
        #expect(try await tool.run(["import", "-"], bytes: Data(line.utf8)).output.hasPrefix("imported  1\n"))
        #expect(try await pending(tool) == #""pending_changes":2"#)
        let mended = "redis://:right@" + server.url.dropFirst("redis://".count)
        let set = try await tool.run("set", "c", "1", "--redis", mended)
        #expect(set.status == 0 && set.errors.isEmpty, "\(set.errors)")
        #expect(try await pending(tool) == #""pending_changes":0"#)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a Redis that has no room for now does not hold a write up`() async throws {
        let server = try await RedisServer.start(["--maxmemory", "1"])
        defer { server.stop() }
        let tool = try tool { _ in server.unixURL }
        defer { tool.remove() }
        let start = ContinuousClock.now
        let set = try await tool.run("set", "a", "1")
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(set.status == 0)
        #expect(set.errorLines.count == 1 && set.errors.contains("out of memory"), "\(set.errors)")
        #expect(set.errors.contains("the change is kept in the file"))
    }

    @Test func `sync status says that Redis is away and what to do`() async throws {
        let tool = try tool(nowhere)
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let status = try await tool.run("sync", "status")
        #expect(status.status == 6)
        #expect(status.errors.isEmpty)
        #expect(status.output.contains("can't be reached"), "\(status.output)")
        #expect(status.output.contains("bring Redis back"), "\(status.output)")
        let json = try await tool.run("sync", "status", "--json")
        #expect(json.output.contains(#""pending_changes":1"#) && json.outputLines.count == 1)
    }

    // MARK: Pushing

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a push exits with 5 while the file holds dead letters, its own or older ones`() async throws {
        // A server that knows no SET refuses each put by itself.
        let refusing = try await RedisServer.start(["--rename-command", "SET", ""])
        let server = try await RedisServer.start()
        defer {
            refusing.stop()
            server.stop()
        }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        _ = try await tool.run("delete", "b")
        let first = try await tool.run("sync", "push", "--json", "--redis", refusing.unixURL)
        #expect(first.status == 5, "\(first.errors)")
        #expect(first.output == CommandTests.report(applied: 1, deadLetters: 1))
        _ = try await tool.run("set", "c", "1")
        let second = try await tool.run("sync", "push", "--json", "--redis", server.unixURL)
        #expect(second.status == 5)
        // Another server has nothing of what the first one got: the delete is sent again.
        #expect(second.output == CommandTests.report(applied: 1, resent: 1, deadLetters: 1))
        #expect(second.errorLines.count == 1 && second.errors.contains("dead letters"), "\(second.errors)")
        let run = try await tool.shell(stopped(server.unixURL, drain: "1s"))
        #expect(run.output == "status 5\n", "\(run.errors)")
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a push exits with 8 while another process holds the lease`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let held = #"flock "$CACHEKIT_DATABASE-lease" "$CACHEKIT_EXECUTABLE""#
        let push = try await tool.shell("\(held) sync push --redis \(server.unixURL)")
        #expect(push.status == 8, "\(push.errors)")
        #expect(push.errorLines.count == 1 && push.errors.contains("another process"), "\(push.errors)")
        // Whoever holds it pushes this change too: nothing to say.
        let set = try await tool.shell("\(held) set b 2 --redis \(server.unixURL)")
        #expect(set.status == 0 && set.errors.isEmpty, "\(set.errors)")
        #expect(try await tool.run("sync", "push", "--redis", server.unixURL).status == 0)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a push gives up at its deadline, and what is left waits`() async throws {
        let server = try await RedisServer.start(["--maxmemory", "1"])
        defer { server.stop() }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let start = ContinuousClock.now
        let push = try await tool.run("sync", "push", "--redis", server.unixURL, "--deadline", "300ms")
        #expect(ContinuousClock.now - start >= .milliseconds(300))
        #expect(push.status == 6, "\(push.errors)")
        #expect(push.errors.contains("out of memory"))
        #expect(push.output.contains("pending_changes  1"))
        #expect(try await tool.run("sync", "push", "--redis", server.unixURL, "--deadline", "0").status == 2)
    }

    // MARK: A run

    /// Runs `sync run` until it has said something, stops it, and tells how it ended.
    private func stopped(_ url: String, drain: String, after words: String = "pushing") -> String {
        """
        "$CACHEKIT_EXECUTABLE" sync run --redis '\(url)' --drain \(drain) 2>run.log & pid=$!
        for try in $(seq 400); do grep -q "\(words)" run.log && break; sleep 0.05; done
        kill -TERM $pid; wait $pid; echo status $?; cat run.log >&2
        """
    }

    @Test(arguments: [false, true])
    func `a run says that Redis is away, and exits with 6 while changes wait`(hasChanges: Bool) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        if hasChanges { _ = try await tool.run("set", "a", "1") }
        let run = try await tool.shell(stopped(nowhere(tool), drain: "300ms", after: "can't be reached"))
        #expect(run.output == (hasChanges ? "status 6\n" : "status 0\n"), "\(run.errors)")
        #expect(run.errors.contains("cachekit: warning: no connection to Redis ("), "\(run.errors)")
        #expect(run.errors.contains("they stay in the file") == hasChanges, "\(run.errors)")
        // The outage is told once, however often it is tried.
        #expect(run.errors.matches(of: /no connection/).count == 1, "\(run.errors)")
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a run says that the password is wrong, and exits with 7`() async throws {
        let server = try await RedisServer.start(["--requirepass", "right"])
        defer { server.stop() }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let url = "redis://:wr0ng-secret@" + server.url.dropFirst("redis://".count)
        let run = try await tool.shell(stopped(url, drain: "5s", after: "WRONGPASS"))
        #expect(run.output == "status 7\n", "\(run.errors)")
        #expect(!run.errors.contains("wr0ng-secret"))
        #expect(run.errors.matches(of: /warning/).count <= 2, "\(run.errors)")
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
    func `a run tells when an outage begins and ends, and is clean when all has arrived`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let address = "--port 0 --unixsocket \(server.socketPath) --dir '\(server.folder)' --save '' --appendonly no"
        let outcome = try await tool.shell(
            """
            until_said() { for try in $(seq 600); do grep -q "$1" run.log && return; sleep 0.05; done; echo never: $1; }
            "$CACHEKIT_EXECUTABLE" sync run --redis '\(server.unixURL)' 2>run.log & pid=$!
            until_said pushing
            cachekit set a 1
            held() { redis-cli -s \(server.socketPath) keys '[ab]' | wc -l; }
            for try in $(seq 400); do [ "$(held)" = 1 ] && break; sleep 0.05; done
            redis-cli -s \(server.socketPath) shutdown nosave
            cachekit set b 2
            until_said 'warning: .*Redis'
            redis-server \(address) >/dev/null & redis=$!
            until_said 'answers again'
            kill -TERM $pid; wait $pid; echo status $?
            held
            redis-cli -s \(server.socketPath) shutdown nosave; wait $redis
            cat run.log >&2
            """)
        #expect(outcome.output == "status 0\n2\n", "\(outcome.output)\(outcome.errors)")
    }
}
