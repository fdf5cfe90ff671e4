import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Logging
import Testing

// What opens the circuit breaker of a store, what calls get meanwhile, and what closes it.
@Suite(.timeLimit(.minutes(2))) struct RedisBreakerTests {
    private func isOpen(_ error: (any Error)?) -> Bool {
        guard let error = error as? CacheError else { return false }
        return error.code == .remoteUnavailable && error.message.contains("circuit breaker is open")
    }

    private func failure(_ body: () async throws -> Void) async -> (any Error)? {
        do {
            try await body()
            return nil
        } catch {
            return error
        }
    }

    @Test func `a server that lets in and never answers opens it, and one call at a time pays for the probe`()
        async throws
    {
        let server = try ScriptedServer { peer in
            peer.logIn()
            while peer.command() != nil {}
        }
        defer { server.stop() }
        let store = try makeStore(server.url) {
            $0.commandTimeout = .milliseconds(150)
            $0.initialBackoff = .milliseconds(1)
            $0.maximumBackoff = .milliseconds(1)
        }
        #expect(await code { _ = try await store.contains([try CacheKey("k")]) } == .remoteTimeout)
        #expect(await eventually { !store.warnings.isEmpty })
        // All at once, after the wait: one of them finds out, for 150 ms, and the others do not wait for it.
        let (commands, end) = (server.commands.count, ContinuousClock.now + .seconds(1))
        var calls = 0
        while ContinuousClock.now < end {
            let asked = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        !self.isOpen(await self.failure { _ = try await store.write([try put("k", [1])]) })
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(asked <= 1)
            calls += 20
        }
        // One probe in each 150 ms.
        #expect(server.commands.count - commands <= 8, "\(calls) calls")
    }

    @Test func `while a probe is under way the others fail at once, and its answer lets everyone through`() async throws
    {
        let gate = Gate()
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                peer.command()
                _ = peer.isClosedByClient()
            },
            { peer in
                peer.logIn()
                peer.command()
                gate.wait()
                peer.send(":1\r\n")
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .milliseconds(1500) }
        let key = try CacheKey("k")
        #expect(await code { _ = try await store.contains([key]) } == .remoteTimeout)
        #expect(await eventually { !store.warnings.isEmpty })
        let probe = Task {
            // Until its time has come.
            while true {
                do { return try await store.contains([key]) } catch  where self.isOpen(error) { await Task.yield() }
            }
        }
        #expect(await eventually { server.commands.count == 2 })
        for _ in 0..<100 { #expect(isOpen(await failure { _ = try await store.contains([key]) })) }
        #expect(server.commands.count == 2)
        gate.open()
        #expect(try await probe.value == [true])
        #expect(store.warnings.isEmpty)
        for _ in 0..<10 { #expect(try await store.contains([key]) == [true]) }
        #expect(server.connectionCount == 2)
    }

    @Test func `a probe whose caller is cancelled leaves its place to the next call`() async throws {
        let gate = Gate()
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                peer.command()
                _ = peer.isClosedByClient()
            },
            { peer in
                peer.logIn()
                peer.command()
                gate.wait()
                peer.send(":1\r\n")
                while peer.command() != nil { peer.send(":1\r\n") }
            })
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.commandTimeout = .seconds(1) }
        let key = try CacheKey("k")
        #expect(await code { _ = try await store.contains([key]) } == .remoteTimeout)
        #expect(await eventually { !store.warnings.isEmpty })
        let cancelled = Task {
            while server.commands.count < 2 {
                _ = try? await store.contains([key])
                await Task.yield()
            }
        }
        #expect(await eventually { server.commands.count == 2 })
        cancelled.cancel()
        await cancelled.value
        async let next = store.contains([key])
        gate.open()
        #expect(try await next == [true])
    }

    @Test(
        .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `a server killed under load opens it, nothing connects between its tries, and calls take no time`()
        async throws
    {
        let server = try await RedisServer.start()
        let log = LogRecord()
        let store = try makeStore(server.url, log: log)
        let key = try CacheKey("k")
        try await store.ping()
        let load = Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        while !Task.isCancelled {
                            _ = try? await store.read([key])
                            // One that is refused at once never waits, and would keep its thread.
                            await Task.yield()
                        }
                    }
                }
            }
        }
        defer { load.cancel() }
        server.kill9()
        #expect(await eventually { !store.warnings.isEmpty })
        load.cancel()
        await load.value
        let (attempts, begin) = (log.messages(.debug).count, ContinuousClock.now)
        var times: [Duration] = []
        var open = 0
        while ContinuousClock.now - begin < .milliseconds(500) {
            let start = ContinuousClock.now
            if isOpen(await failure { _ = try await store.read([key]) }) { open += 1 }
            times.append(ContinuousClock.now - start)
        }
        times.sort()
        let (median, p99) = (times[times.count / 2], times[times.count * 99 / 100])
        print("open breaker: \(times.count) reads, median \(median), p99 \(p99)")
        #expect(median < .milliseconds(1))
        // Tries come after the waits, however many calls there are in between.
        #expect(log.messages(.debug).count - attempts <= 12)
        #expect(open >= times.count - 12)
        #expect(log.messages(.warning).count == 1)
        try await server.restart()
        #expect(await eventually { await code { try await store.ping() } == nil })
        #expect(store.warnings.isEmpty)
    }

    @Test(
        .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `error replies of a server that lives leave it closed`() async throws {
        let server = try await RedisServer.start()
        let admin = try makeStore(server.unixURL)
        _ = try await admin.command(words("LPUSH", "list", "x"))
        _ = try await admin.command(words("ACL", "SETUSER", "narrow", "on", ">secret", "~mine:*", "+@all"))
        let narrow = try makeStore("redis://narrow:secret@127.0.0.1:\(server.port)")
        for _ in 0..<20 {
            #expect(await code { _ = try await narrow.read([try CacheKey("theirs")]) } == .remoteAuthentication)
            #expect(await code { _ = try await admin.command(words("GET", "list")) } == .remoteRejected)
        }
        #expect(narrow.warnings.isEmpty && admin.warnings.isEmpty)
        #expect(try await narrow.read([try CacheKey("mine:1")]) == [nil])
    }

    @Test(
        .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `a server that became a replica is not ready for writes, and that is no failure`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.url)
        _ = try await store.write([try put("k", [1])])
        _ = try await store.command(words("REPLICAOF", "127.0.0.1", "1"))
        for _ in 0..<20 {
            guard case .failed(let error) = try await store.write([try put("k", [2])])[0] else {
                throw CacheError(.internalFault, "a replica took a write")
            }
            #expect(error.code == .remoteNotReady)
        }
        #expect(store.warnings.isEmpty)
        #expect(try await store.read([try CacheKey("k")])[0]?.value == [1])
        _ = try await store.command(words("REPLICAOF", "NO", "ONE"))
        guard case .applied = try await store.write([try put("k", [3])])[0] else {
            throw CacheError(.internalFault, "not applied")
        }
    }

    @Test(
        .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `a server that loads its file is not ready, on old and new connections, and that is no failure`() async throws
    {
        // The delay is in microseconds per key; events are served in between.
        let server = try await RedisServer.start([
            "--key-load-delay", "4000", "--loading-process-events-interval-bytes", "1024",
        ])
        let store = try makeStore(server.url)
        _ = try await store.write(try (0..<400).map { try put("k\($0)", [UInt8](repeating: 7, count: 100)) })
        _ = try await store.command(words("SAVE"))
        try await server.restart()
        let key = try CacheKey("k1")
        var notReady = 0
        #expect(
            await eventually {
                let failure = await code { _ = try await store.read([key]) }
                if failure == .remoteNotReady { notReady += 1 }
                return failure == nil
            })
        #expect(notReady >= 3, "the server was not seen loading")
        #expect(store.warnings.isEmpty)
        #expect(try await store.read([key])[0]?.value.count == 100)
    }
}
