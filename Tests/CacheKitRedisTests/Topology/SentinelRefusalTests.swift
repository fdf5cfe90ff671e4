import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitRedis

// Servers that are not, or no longer, what a sentinel says: real servers, and a sentinel that the test scripts.
@Suite(.timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct SentinelRefusalTests {
    private func url(_ sentinels: ScriptedSentinel..., user: String = "") -> String {
        "redis+sentinel://\(user)" + sentinels.map { "127.0.0.1:\($0.port)" }.joined(separator: ",") + "/main"
    }

    /// Two servers; the second follows the first.
    private func startPair() async throws -> (master: RedisServer, replica: RedisServer) {
        let master = try await RedisServer.start(["--repl-diskless-sync-delay", "0"])
        let replica = try await RedisServer.start(["--replicaof", "127.0.0.1", "\(master.port)"])
        return (master, replica)
    }

    private func demote(_ server: RedisServer, under master: RedisServer) {
        #expect(master.ask("REPLICAOF NO ONE").hasPrefix("+OK"))
        #expect(server.ask("REPLICAOF 127.0.0.1 \(master.port)").hasPrefix("+OK"))
    }

    @Test func `a write, a script and a command that a demoted master refuses reach its successor`() async throws {
        let (first, second) = try await startPair()
        let sentinel = try ScriptedSentinel(master: first.port)
        defer { sentinel.stop() }
        let store = try makeStore(url(sentinel))
        try await store.ping()
        // Its connections stay, and nobody announces anything.
        demote(first, under: second)
        sentinel.name(master: second.port)
        try await store.apply(try put("a", [1]), try put("b", [2]))
        #expect(second.ask("EXISTS a b").hasPrefix(":2"))

        demote(second, under: first)
        sentinel.name(master: first.port)
        let script = words("EVAL", "return redis.call('INCR', KEYS[1])", "1", "count")
        #expect(try await store.command(script, for: "count") == .integer(1))

        demote(first, under: second)
        sentinel.name(master: second.port)
        #expect(try await store.command(words("INCR", "other")) == .integer(1))
        await store.close()
    }

    @Test func `many callers on a demoted master all reach its successor, each write once`() async throws {
        let (first, second) = try await startPair()
        let sentinel = try ScriptedSentinel(master: first.port)
        defer { sentinel.stop() }
        let store = try makeStore(url(sentinel))
        try await store.ping()
        demote(first, under: second)
        sentinel.name(master: second.port)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<64 {
                group.addTask { _ = try await store.command(words("INCR", "count")) }
            }
            try await group.waitForAll()
        }
        #expect(second.ask("GET count").contains("64"))
        await store.close()
    }

    @Test func `a server that is no master is not used, and the sentinel is asked again`() async throws {
        let (master, replica) = try await startPair()
        let sentinel = try ScriptedSentinel(master: replica.port, replica.port, master.port)
        defer { sentinel.stop() }
        let log = LogRecord()
        let store = try makeStore(url(sentinel), log: log)
        try await store.apply(try put("a", [1]))
        #expect(master.ask("EXISTS a").hasPrefix(":1"))
        #expect(log.messages(.warning).isEmpty)
        await store.close()
    }

    @Test func `a sentinel that only ever names a replica is an error within the time for connecting`() async throws {
        let (_, replica) = try await startPair()
        let sentinel = try ScriptedSentinel(master: replica.port)
        defer { sentinel.stop() }
        let store = try makeStore(url(sentinel)) { $0.connectTimeout = .milliseconds(700) }
        let began = ContinuousClock.now
        let failure = await code { try await store.ping() }
        #expect(failure == .remoteNotReady || failure == .remoteTimeout)
        #expect(began.duration(to: .now) < .seconds(10))
        await store.close()
    }

    @Test func `a sentinel that is behind the others is not believed`() async throws {
        let old = try await RedisServer.start()
        let new = try await RedisServer.start()
        let front = try ScriptedSentinel(master: new.port, epoch: 5)
        let behind = try ScriptedSentinel(master: old.port, epoch: 4)
        defer {
            front.stop()
            behind.stop()
        }
        let store = try makeStore(url(front, behind))
        try await store.apply(try put("a", [1]))
        // The one that was right now says what is no longer so; the other one has caught up.
        front.name(master: old.port, epoch: 4)
        behind.name(master: new.port, epoch: 5)
        _ = new.ask("CLIENT KILL TYPE normal")
        // A write could meet the loss itself.
        try await store.ping()
        try await store.apply(try put("b", [1]))
        #expect(new.ask("EXISTS a b").hasPrefix(":2"))
        #expect(old.ask("DBSIZE").hasPrefix(":0"))
        await store.close()
    }

    @Test func `a server that loads its file is left for the one that the sentinel names then`() async throws {
        let server = try await RedisServer.start()
        let sentinel = try ScriptedSentinel(master: server.port)
        let loading = try ScriptedServer { peer in
            while let command = peer.command() {
                switch command[0] {
                case "PING", "CLIENT": peer.send("+OK\r\n")
                case "ROLE": peer.send("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n")
                default:
                    // By the time of the second attempt the sentinels have made another server the master.
                    sentinel.name(master: server.port, epoch: 2)
                    peer.send("-LOADING Redis is loading the dataset in memory\r\n")
                }
            }
        }
        sentinel.name(master: loading.port)
        defer {
            loading.stop()
            sentinel.stop()
        }
        let store = try makeStore(url(sentinel))
        try await store.ping()
        try await store.apply(try put("a", [1]))
        #expect(loading.commands.filter { $0 == "SET" }.count == 1)
        #expect(server.ask("EXISTS a").hasPrefix(":1"))
        await store.close()
    }

    @Test func `user and password of the data are never sent to a sentinel`() async throws {
        let server = try await RedisServer.start(["--requirepass", "for-the-data"])
        let sentinel = try ScriptedSentinel(master: server.port)
        defer { sentinel.stop() }
        let store = try makeStore(url(sentinel, user: ":for-the-data@"))
        try await store.ping()
        #expect(sentinel.commands.contains("SENTINEL"))
        #expect(!sentinel.commands.contains("AUTH"))
        await store.close()
    }
}
