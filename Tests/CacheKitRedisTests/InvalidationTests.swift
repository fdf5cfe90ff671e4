import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitRedis

@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct InvalidationTests {
    /// A store that follows a server, and another client of it.
    private func withFollower(
        _ arguments: [String] = [], log: LogRecord = LogRecord(),
        _ change: (inout RedisConfiguration) -> Void = { _ in },
        _ body: (RedisServer, RedisStore, RedisStore, Told) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start(arguments)
        let store = try makeStore(server.unixURL, log: log, change)
        let other = try makeStore(server.url)
        let told = Told()
        let following = Task { await store.follow { told.add($0) } }
        try #require(await eventually { store.isActive && told.everythings > 0 })
        told.clear()
        try await body(server, store, other, told)
        following.cancel()
        await following.value
        #expect("\(store.following)" == "idle")
        await store.close()
        await other.close()
    }

    @Test func `what other clients write, delete, let expire and evict is told`() async throws {
        try await withFollower { _, _, other, told in
            _ = try await other.write([
                try put("set", [1]), try put("short", [1], .milliseconds(20)), try put("kept", [1]),
            ])
            #expect(await eventually { told.keys == ["set", "short", "kept"] })
            told.clear()
            // The server deletes what has expired by itself.
            #expect(await eventually { told.keys == ["short"] })
            _ = try await other.write([RemoteWrite(key: try CacheKey("set"), action: .delete)])
            #expect(await eventually { told.keys == ["short", "set"] })
            told.clear()
            _ = try await other.command(words("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))
            _ = try await other.command(words("CONFIG", "SET", "maxmemory", "1"))
            #expect(await eventually { told.keys == ["kept"] })
            #expect(told.everythings == 0)
        }
    }

    @Test func `what this store writes itself is not told, in the order of the server`() async throws {
        try await withFollower { _, store, other, told in
            for round in 0..<50 {
                _ = try await store.write([try put("own \(round)", [1]), try put("both", [1])])
                _ = try await store.write([RemoteWrite(key: try CacheKey("own \(round)"), action: .delete)])
            }
            _ = try await other.write([try put("both", [2]), try put("last", [2])])
            #expect(await eventually { told.keys.contains("last") })
            #expect(told.keys == ["both", "last"])
        }
    }

    @Test func `who stops following leaves no connection that listens`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.url)
        let other = try makeStore(server.url)
        for _ in 0..<3 {
            try await store.whileFollowing { told in
                #expect(await eventually { store.isActive && told.everythings > 0 })
                let subscribers = try await other.subscribers()
                #expect(subscribers.split(separator: "\n").count == 1)
            }
            #expect(await eventually { (try? await other.subscribers()) == "" })
        }
        await store.close()
        await other.close()
    }

    @Test func `a flush means everything and closes nothing`() async throws {
        try await withFollower { _, store, other, told in
            let before = try await store.subscribers()
            #expect(before.contains("sub=1") && before.split(separator: "\n").count == 1)
            for command in [["FLUSHALL"], ["FLUSHDB"], ["FLUSHALL", "ASYNC"]] {
                told.clear()
                _ = try await other.command(command.map { Array($0.utf8) })
                #expect(await eventually { told.everythings == 1 })
            }
            // Nor does a message of another kind, or a name that is no key.
            _ = try await other.command(words("PUBLISH", SubscriptionMessage.channel, "not a list"))
            _ = try await other.command([Array("SET".utf8), [0xFF, 0xFE], [1]])
            _ = try await other.write([try put("after", [1])])
            #expect(await eventually { told.keys == ["after"] })
            let after = try await store.subscribers()
            #expect(after.prefix { $0 != " " } == before.prefix { $0 != " " })
        }
    }

    @Test(arguments: ["pubsub", "normal"])
    func `after a loss of either connection everything is unverified and changes are heard of again`(
        _ kind: String
    ) async throws {
        try await withFollower { _, store, other, told in
            for _ in 0..<3 {
                told.clear()
                _ = try await other.command(words("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))
                #expect(await eventually { told.everythings > 0 })
                #expect(await eventually { store.isActive })
                told.clear()
                _ = try await other.write([try put("a", [1])])
                #expect(await eventually { told.keys == ["a"] })
                _ = try await store.write([try put("own", [1]), try put("own2", [1])])
                _ = try await other.write([try put("b", [1])])
                #expect(await eventually { told.keys == ["a", "b"] })
            }
        }
    }

    @Test func `a server that is away is a loss that health shows, and it is followed again`() async throws {
        let log = LogRecord()
        try await withFollower(log: log) { server, store, other, told in
            server.kill9()
            #expect(await eventually { store.isLost && told.everythings > 0 })
            #expect(await eventually { log.messages(.notice).contains { $0.contains("are not heard of") } })
            told.clear()
            try await server.restart()
            #expect(await eventually { store.isActive && told.everythings > 0 })
            #expect(await eventually { log.messages(.notice).contains { $0.contains("are heard of") } })
            _ = try? await other.ping()
            _ = try await other.write([try put("a", [1])])
            #expect(await eventually { told.keys == ["a"] })
        }
    }

    @Test func `a server that stops answering is noticed`() async throws {
        try await withFollower {
            $0.commandTimeout = .milliseconds(300)
        } _: { server, store, _, told in
            server.pause()
            #expect(await eventually { store.isLost && told.everythings > 0 })
            server.resume()
            #expect(await eventually { store.isActive })
        }
    }

    @Test func `only keys with a followed prefix are told, and overlapping prefixes are no error`() async throws {
        try await withFollower {
            $0.followedPrefixes = ["users:", "users:42", "orders:", "users:"]
        } _: {
            _, _, other, told in
            _ = try await other.write([
                try put("users:42", [1]), try put("user", [1]), try put("orders:1", [1]), try put("x", [1]),
            ])
            #expect(await eventually { told.keys.count == 2 })
            #expect(told.keys == ["users:42", "orders:1"])
        }
    }

    @Test(arguments: ["-client|tracking", "-client|id", "resetchannels"])
    func `a user who may not follow is told so once, and can do everything else`(_ rule: String) async throws {
        let server = try await RedisServer.start()
        let admin = try makeStore(server.unixURL)
        _ = try await admin.command(
            words("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all") + words(rule))
        let log = LogRecord()
        let store = try makeStore("redis://app:secret@127.0.0.1:\(server.port)", log: log)
        let told = Told()
        let following = Task { await store.follow { told.add($0) } }
        #expect(await eventually { store.isRefused })
        #expect(await eventually { log.messages(.warning).count == 1 })
        guard case .refused(let error) = store.following else { return }
        #expect(!"\(error)".contains("app") && !"\(error)".contains("secret"))
        _ = try await store.write([try put("a", [1])])
        #expect(try await store.read([try CacheKey("a")])[0]?.value == [1])
        #expect(log.messages(.warning).count == 1)
        following.cancel()
        await following.value
        await store.close()
        await admin.close()
    }

    @Test func `prefixes out of bounds are refused`() {
        for prefixes in [[""], [String(repeating: "p", count: 1025)], (0...64).map { "\($0)" }] {
            let error = #expect(throws: CacheError.self) {
                _ = try makeStore("redis://h") { $0.followedPrefixes = prefixes }
            }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test func `closing the store ends following it`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.unixURL)
        let following = Task { await store.follow { _ in } }
        #expect(await eventually { store.isActive })
        await store.close()
        await following.value
        let other = try makeStore(server.unixURL)
        #expect(await eventually { (try? await other.subscribers()) == "" })
        await other.close()
    }

    @Test func `a message over the limit is a gap and not the end`() async throws {
        try await withFollower { _, store, other, told in
            // One transaction is one turn of the server, whose keys come as one message: 600,000 names of 40 bytes.
            let script = "for i = 1, 600000 do redis.call('SET', string.format('%040d', i), '') end"
            _ = try await other.command(words("EVAL", script, "0"))
            #expect(await eventually { told.everythings > 0 })
            #expect(await eventually { store.isActive })
            told.clear()
            _ = try await other.write([try put("a", [1])])
            #expect(await eventually { told.keys == ["a"] })
        }
    }
}

struct SubscriptionMessageTests {
    private func text(_ text: String) -> RESPValue { .bulkString(Array(text.utf8)) }

    @Test func `anything that is not known is passed over`() {
        let channel = text(SubscriptionMessage.channel)
        let odd: [RESPValue] = [
            .null, .simpleString("OK"), .array([]), .array([.null, .null, .null]), .array([text("pong"), text("")]),
            .array([text("message"), text("another"), .null]), .array([text("message"), channel, .integer(1)]),
            .array([text("message"), channel, .array([])]), .array([text("message"), channel, .array([.null])]),
            .array([text("pmessage"), text("*"), channel, .null]), .bulkString([1]),
        ]
        for reply in odd {
            guard case .other = SubscriptionMessage(reply) else {
                Issue.record("\(reply) was taken for something")
                continue
            }
        }
        guard case .invalidation(.everything) = SubscriptionMessage(.array([text("message"), channel, .null])) else {
            Issue.record("a null is everything")
            return
        }
    }

    @Test func `prefixes that begin with another one are left out`() {
        #expect(TrackedPrefixes(["b", "a:b", "a", "a", "c:1", "c:12", "é"]).prefixes == ["a", "b", "c:1", "é"])
        #expect(TrackedPrefixes([]).prefixes.isEmpty)
    }
}
