import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Logging
import Testing

// A real server that goes away, stands still and comes back.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct RedisFailureTests {
    @Test func `an outage is an error at once, logged at its beginning and its end, and over by itself`() async throws {
        let server = try await RedisServer.start()
        server.stop()
        let log = LogRecord()
        let store = try makeStore(server.url, log: log) { $0.maximumBackoff = .milliseconds(20) }
        // Each failed attempt tells the debug log, and the first one the operator.
        #expect(
            await eventually {
                let failure = await code { try await store.ping() }
                return failure != .remoteUnavailable || log.messages(.debug).count >= 5
            })
        #expect(log.messages(.warning) == ["no connection to Redis"])
        #expect(log.messages(.notice).isEmpty)
        try await server.restart()
        #expect(await eventually { await code { try await store.ping() } == nil })
        #expect(log.messages(.notice) == ["Redis answers again"])
        server.kill9()
        #expect(await code { try await store.ping() } == .remoteUnavailable)
        #expect(log.messages(.warning).count == 2)
    }

    @Test func `calls during the backoff do not put the next attempt off`() async throws {
        let server = try await RedisServer.start()
        server.stop()
        let store = try makeStore(server.url) { $0.maximumBackoff = .milliseconds(200) }
        let hammering = Task {
            while !Task.isCancelled {
                _ = await code { try await store.ping() }
                await Task.yield()
            }
        }
        defer { hammering.cancel() }
        try await server.restart()
        #expect(await eventually { await code { try await store.ping() } == nil })
    }

    @Test func `a server killed in the middle of a batch leaves its outcome open, and comes back`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.url) { $0.maximumBackoff = .milliseconds(50) }
        let observer = try makeStore(server.unixURL)
        async let blocking = code { _ = try await store.command(words("BLPOP", "nothing", "0")) }
        #expect(
            await eventually {
                guard case .bulkString(let text)? = try? await observer.command(words("INFO", "clients")) else {
                    return false
                }
                return String(decoding: text, as: UTF8.self).contains("blocked_clients:1")
            })
        // Behind the one that blocks, on the same connection.
        async let read = code { _ = try await store.read([try CacheKey("a")]) }
        server.kill9()
        #expect(await blocking == .mayHaveBeenApplied)
        #expect(await read == .remoteUnavailable)
        try await server.restart()
        #expect(await eventually { await code { try await store.ping() } == nil })
        #expect(try await store.read([try CacheKey("a")]) == [nil])
    }

    @Test func `a connection killed by the server is replaced within the next call`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.url)
        let other = try makeStore(server.unixURL)
        for _ in 0..<20 {
            try await store.ping()
            _ = try await other.command(words("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
            // Whether or not the loss is noticed first.
            #expect(try await store.read([try CacheKey("a")]) == [nil])
        }
    }

    @Test func `a halted server is a timeout, and answers again when it goes on`() async throws {
        let server = try await RedisServer.start()
        // Long enough for a busy machine, as calls to a server that does answer have it too.
        let store = try makeStore(server.url) {
            $0.commandTimeout = .milliseconds(500)
            $0.connectTimeout = .seconds(60)
            $0.maximumBackoff = .milliseconds(50)
        }
        #expect(await eventually { await code { try await store.ping() } == nil })
        server.pause()
        #expect(await code { _ = try await store.write([try put("a", [1])]) } == .remoteTimeout)
        server.resume()
        #expect(await eventually { await code { try await store.ping() } == nil })
    }
}
