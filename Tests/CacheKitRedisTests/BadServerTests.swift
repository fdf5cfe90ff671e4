import CacheKit
import CacheKitCore
import CacheKitRedis
import Logging
import Synchronization
import Testing

// What a server, or whatever listens at its port, can do to a store.
@Suite(.timeLimit(.minutes(2))) struct BadServerTests {
    @Test func `a read whose connection is lost is sent once more on another one`() async throws {
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                peer.command()
            },
            { peer in
                peer.logIn()
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url)
        #expect(try await store.contains([try CacheKey("k")]) == [true])
        #expect(server.commands == ["EXISTS", "EXISTS"])
        #expect(server.connectionCount == 2)
    }

    @Test func `a read is sent twice at most`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            peer.command()
        }
        defer { server.stop() }
        // Room to connect a third time.
        let store = try makeStore(server.url) { $0.maximumBackoff = .milliseconds(1) }
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .remoteUnavailable)
        #expect(server.commands == ["EXISTS", "EXISTS"])
    }

    @Test func `a write whose connection is lost is not sent again`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            peer.command()
        }
        defer { server.stop() }
        let store = try makeStore(server.url)
        #expect(await code { _ = try await store.write([try put("a", [1])]) } == .mayHaveBeenApplied)
        #expect(server.commands == ["SET"])
    }

    @Test func `a server that closes between commands disturbs nobody and is no outage`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            peer.command()
            peer.send("+OK\r\n")
        }
        defer { server.stop() }
        let log = LogRecord()
        let store = try makeStore(server.url, log: log)
        for round in 1...5 {
            guard case .applied = try await store.write([try put("a", [1])])[0] else {
                throw CacheError(.internalFault, "not applied")
            }
            // Until it has been noticed, a write can still be lost on the way.
            #expect(await eventually { log.messages(.debug).filter { $0.contains("lost") }.count == round })
        }
        #expect(server.commands == Array(repeating: "SET", count: 5))
        #expect(server.connectionCount == 5)
        #expect(log.messages(.warning).isEmpty && log.messages(.notice).isEmpty)
    }

    @Test func `half a reply and then nothing is a lost connection`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            peer.command()
            peer.send("+O")
        }
        defer { server.stop() }
        #expect(await code { _ = try await makeStore(server.url).write([try put("a", [1])]) } == .mayHaveBeenApplied)
        #expect(await code { try await makeStore(server.url).ping() } == .remoteUnavailable)
    }

    @Test(arguments: [false, true])
    func `bytes that are no reply are a protocol error`(duringLogin: Bool) async throws {
        let server = try ScriptedServer { peer in
            if !duringLogin { peer.logIn() }
            peer.command()
            peer.send("HTTP/1.1 400 Bad Request\r\n\r\n")
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        let store = try makeStore(server.url)
        #expect(await code { _ = try await store.read([try CacheKey("k")]) } == .remoteProtocol)
    }

    @Test func `one reply too many ends the connection`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            while peer.command() != nil { peer.send("+PONG\r\n+PONG\r\n") }
        }
        defer { server.stop() }
        let log = LogRecord()
        let store = try makeStore(server.url, log: log)
        try await store.ping()
        #expect(await eventually { !log.messages(.debug).filter { $0.contains("lost") }.isEmpty })
    }

    @Test func `a value over the limit is refused before it has come, and its neighbours are served`() async throws {
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                while let command = peer.command(), command != ["EXISTS", "small"] {}
                peer.send("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n$9000000\r\n")
                peer.send(Array(repeating: 0, count: 4000))
                _ = peer.isClosedByClient()
            },
            { peer in
                peer.logIn()
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.maximumReplyBytes = 1024 }
        let large = Task { try await store.read([try CacheKey("large")]) }
        #expect(await eventually { server.commands.contains("EXEC") })
        #expect(try await store.contains([try CacheKey("small")]) == [true])
        let error = await #expect(throws: CacheError.self) { try await large.value }
        #expect(error?.code == .remoteProtocol)
        #expect(error?.message.contains("maximumReplyBytes") == true)
    }

    @Test func `a server that accepts and says nothing is a timeout, logging in and later`() async throws {
        let silent = try ScriptedServer { peer in _ = peer.isClosedByClient() }
        let polite = try ScriptedServer { peer in
            peer.logIn()
            _ = peer.isClosedByClient()
        }
        defer {
            silent.stop()
            polite.stop()
        }
        let unanswered = try makeStore(silent.url) { $0.connectTimeout = .milliseconds(100) }
        #expect(await code { try await unanswered.ping() } == .remoteTimeout)
        let store = try makeStore(polite.url) {
            $0.connectTimeout = .seconds(60)
            $0.commandTimeout = .milliseconds(100)
        }
        #expect(await code { try await store.ping() } == .remoteTimeout)
    }

    @Test func `replies that come slowly keep their connection, however late the batch is`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            for _ in 0..<8 { peer.command() }
            // A byte at a time, over several times what a call may take.
            peer.trickle(String(repeating: "+OK\r\n", count: 8), pause: 50_000)
            while peer.command() != nil { peer.send(":1\r\n") }
        }
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .milliseconds(800) }
        let writes = try (0..<8).map { try put("k\($0)", [1]) }
        #expect(await code { _ = try await store.write(writes) } == .remoteTimeout)
        // Served once the late replies are through.
        #expect(await eventually { (try? await store.contains([try CacheKey("k")])) == [true] })
        #expect(server.connectionCount == 1)
    }

    @Test func `a batch that leaves slowly keeps its connection, and silence after it ends it`() async throws {
        let gate = Gate()
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                // Taken in pieces, slower than a call may take: the socket's buffers are smaller than the batch.
                if peer.drain(bytes: 12 << 20, pieces: 60, pause: 40_000) { gate.open() }
                _ = peer.isClosedByClient()
            },
            { peer in
                peer.logIn()
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .milliseconds(800) }
        #expect(
            await code { _ = try await store.write([try put("k", [UInt8](repeating: 7, count: 12 << 20))]) }
                == .remoteTimeout)
        #expect(server.connectionCount == 1)
        #expect(gate.wait(), "the connection was ended while the batch was leaving")
        #expect(server.connectionCount == 1)
        #expect(await eventually { (try? await store.contains([try CacheKey("k")])) == [true] })
        #expect(server.connectionCount == 2)
    }

    @Test func `commands that a silent server goes on taking do not keep its connection`() async throws {
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                _ = peer.isClosedByClient()
            },
            { peer in
                peer.logIn()
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .milliseconds(300) }
        let callers = Task {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        try? await Task.sleep(for: .milliseconds(50 * number))
                        _ = try? await store.contains([try CacheKey("k")])
                    }
                }
            }
        }
        #expect(await eventually { server.connectionCount == 2 })
        callers.cancel()
        await callers.value
    }

    @Test func `a credentials provider that hangs is asked four times, and again when it is back`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            while peer.command() != nil { peer.send("+PONG\r\n") }
        }
        defer { server.stop() }
        let hanging = HangingProvider()
        let store = try makeStore(server.url) {
            $0.credentials = { await hanging.credentials() }
            $0.connectTimeout = .milliseconds(20)
            $0.maximumBackoff = .milliseconds(1)
        }
        #expect(
            await eventually {
                let failure = await code { try await store.ping() }
                return failure == nil || hanging.count >= 4
            })
        let end = ContinuousClock.now + .milliseconds(50)
        while ContinuousClock.now < end {
            // While the circuit breaker is open nobody even asks.
            let failure = await code { try await store.ping() }
            #expect(failure == .remoteTimeout || failure == .remoteUnavailable)
        }
        #expect(hanging.count == 4)
        hanging.release()
        #expect(await eventually { await code { try await store.ping() } == nil })
    }

    @Test func `closing the store ends its waits`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            peer.command()
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .seconds(60) }
        async let waiting = code { _ = try await store.command(words("PING")) }
        #expect(await eventually { server.commands == ["PING"] })
        await store.close()
        #expect(await waiting == .shutdown)
        #expect(await code { try await store.ping() } == .shutdown)
    }

    @Test(arguments: [
        // To SELECT, CLIENT SETNAME and PING: a connection on the wrong database is of no use, the rest can go on.
        ("-BUSY script\r\n+OK\r\n+PONG\r\n", CacheError.Code.remoteNotReady as CacheError.Code?),
        ("-ERR DB index is out of range\r\n+OK\r\n+PONG\r\n", .remoteRejected),
        ("+OK\r\n-NOPERM no client\r\n-NOPERM no ping\r\n", nil),
        ("+OK\r\n-ERR unknown command\r\n-LOADING loading\r\n", nil),
        ("+OK\r\n-BUSY script\r\n-BUSY script\r\n", nil),
        ("+OK\r\n-NOAUTH\r\n-NOAUTH\r\n", .remoteAuthentication),
        ("-ERR max number of clients reached\r\n", .remoteNotReady),
        ("-DENIED protected mode\r\n", .remoteAuthentication),
    ])
    func `a login is judged reply by reply`(replies: String, expected: CacheError.Code?) async throws {
        let server = try ScriptedServer { peer in
            peer.command()
            peer.send(replies)
            peer.command()
            peer.command()
            while peer.command() != nil { peer.send(":1\r\n") }
        }
        defer { server.stop() }
        let store = try makeStore(server.url + "/1")
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == expected)
    }
}

/// Credentials that do not come, whoever cancels, until they are released.
private final class HangingProvider: Sendable {
    private struct State {
        var count = 0
        var isReleased = false
        var list: [CheckedContinuation<Void, Never>] = []
    }

    private let waiting = Mutex(State())

    var count: Int { waiting.withLock { $0.count } }

    func credentials() async -> RedisCredentials {
        await withCheckedContinuation { continuation in
            let isReleased = waiting.withLock { state in
                state.count += 1
                if !state.isReleased { state.list.append(continuation) }
                return state.isReleased
            }
            if isReleased { continuation.resume() }
        }
        return RedisCredentials(password: "secret")
    }

    func release() {
        let all = waiting.withLock { state in
            state.isReleased = true
            defer { state.list = [] }
            return state.list
        }
        for continuation in all { continuation.resume() }
    }
}
