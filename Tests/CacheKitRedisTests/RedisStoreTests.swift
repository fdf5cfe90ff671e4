import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Logging
import Testing

@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct RedisStoreTests {
    @Test func `values, lives and deletes make the round trip over TCP and a unix socket`() async throws {
        let server = try await RedisServer.start()
        for url in [server.url, server.unixURL] {
            let store = try makeStore(url)
            let large = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let values: [[UInt8]] = [[], Array(0...255), large, Array("\r\n$-1\r\n".utf8)]
            let keys = try values.indices.map { try CacheKey("ключ \($0)") }
            let writes = zip(keys, values).map {
                RemoteWrite(key: $0, action: .put($1, timeToLive: .seconds(60)))
            }
            for result in try await store.write(writes) {
                guard case .applied = result else { throw CacheError(.internalFault, "not applied") }
            }
            let read = try await store.read(keys + [try CacheKey("absent")])
            #expect(read.map { $0?.value } == values + [nil])
            for entry in read.dropLast() {
                let remaining = try #require(entry?.remaining)
                #expect(remaining > .seconds(50) && remaining <= .seconds(60))
            }
            #expect(try await store.contains(keys + [try CacheKey("absent")]) == [true, true, true, true, false])
            _ = try await store.write(keys.map { RemoteWrite(key: $0, action: .delete) })
            #expect(try await store.read(keys).allSatisfy { $0 == nil })
            await store.close()
        }
    }

    @Test func `a life under a millisecond is one millisecond, and no expiry reads as none`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.unixURL)
        let key = try CacheKey("k")
        let results = try await store.write([try put("k", [1], .zero)])
        guard case .applied = results[0] else { throw CacheError(.internalFault, "not applied") }
        #expect(await eventually { (try? await store.read([key])) == [nil] })
        _ = try await store.command([Array("SET".utf8), Array("k".utf8), [7]])
        #expect(try await store.read([key]) == [RemoteEntry(value: [7], remaining: nil)])
        #expect(try await store.read([]).isEmpty)
    }

    @Test func `a key of another type reads as nil and does not disturb its neighbours`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.unixURL)
        _ = try await store.command(words("LPUSH", "list", "x"))
        _ = try await store.write([try put("a", [1]), try put("b", [2])])
        let read = try await store.read([try CacheKey("a"), try CacheKey("list"), try CacheKey("b")])
        #expect(read.map { $0?.value } == [[1], nil, [2]])
        #expect(
            await code { _ = try await store.command(words("GET", "list")) } == .remoteRejected)
    }

    @Test func `the database of the URL is selected`() async throws {
        let server = try await RedisServer.start()
        let zero = try makeStore("redis://127.0.0.1:\(server.port)")
        let three = try makeStore("redis://127.0.0.1:\(server.port)/3")
        _ = try await three.write([try put("k", [1])])
        #expect(try await zero.contains([try CacheKey("k")]) == [false])
        #expect(try await three.contains([try CacheKey("k")]) == [true])
        #expect(await code { try await makeStore("redis://127.0.0.1:\(server.port)/99").ping() } == .remoteRejected)
    }

    @Test func `an ACL user gets in, and a wrong or missing password is an authentication error`() async throws {
        let server = try await RedisServer.start([
            "--requirepass", "master", "--user", "app", "on", ">secret", "~*", "+@all",
        ])
        let address = "127.0.0.1:\(server.port)"
        try await makeStore("redis://app:secret@\(address)").ping()
        try await makeStore("redis://:master@\(address)").ping()
        let provided = try makeStore("redis://\(address)") {
            $0.credentials = { RedisCredentials(username: "app", password: "secret") }
        }
        try await provided.ping()
        for url in ["redis://app:wrong@\(address)", "redis://\(address)"] {
            let store = try makeStore(url)
            #expect(await code { try await store.ping() } == .remoteAuthentication)
            // During the backoff too.
            #expect(await code { try await store.ping() } == .remoteAuthentication)
        }
    }

    @Test func `ten thousand reads of a hundred tasks all get their own replies`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.unixURL)
        _ = try await store.write(try (0..<1000).map { try put("k\($0)", Array("v\($0)".utf8)) })
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<100 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<100 {
                        let number = (task &* 7919 &+ round &* 104_729) % 1000
                        let read = try await store.read([try CacheKey("k\(number)")])
                        if read[0]?.value != Array("v\(number)".utf8) { wrong += 1 }
                    }
                    return wrong
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    @Test func `two hundred callers pass through narrow bounds`() async throws {
        let server = try await RedisServer.start()
        let narrow = try makeStore(server.unixURL) {
            $0.maximumCommandsInFlight = 8
            $0.maximumBytesInFlight = 1024
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask { _ = try await narrow.write([try put("n\(number)", Array(repeating: 1, count: 5000))]) }
            }
            try await group.waitForAll()
        }
        #expect(try await narrow.contains(try (0..<200).map { try CacheKey("n\($0)") }).allSatisfy { $0 })
    }

    @Test func `a user who may not PING is answered, and a refused one is not`() async throws {
        let server = try await RedisServer.start()
        let admin = try makeStore(server.unixURL)
        _ = try await admin.command(
            words("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "-@all", "+set", "+select"))
        let address = "127.0.0.1:\(server.port)/0"
        let narrow = try makeStore("redis://narrow:secret@\(address)")
        try await narrow.ping()
        guard case .applied = try await narrow.write([try put("k", [1])])[0] else {
            throw CacheError(.internalFault, "not applied")
        }
        #expect(await code { try await makeStore("redis://narrow:wrong@\(address)").ping() } == .remoteAuthentication)
    }

    @Test func `callers cancelled at random moments under load take nobody's reply with them`() async throws {
        let server = try await RedisServer.start()
        let log = LogRecord()
        let store = try makeStore(server.url, log: log) {
            // Some wait for room, too.
            $0.maximumCommandsInFlight = 200
        }
        _ = try await store.write(try (0..<500).map { try put("k\($0)", Array("v\($0)".utf8)) })
        var (answered, cancelled) = (0, 0)
        await withTaskGroup(of: (Int, Int).self) { group in
            for task in 0..<64 {
                group.addTask {
                    var random = SeededRandom(seed: UInt64(task))
                    var (answered, cancelled) = (0, 0)
                    for _ in 0..<100 {
                        let numbers = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                            Int.random(in: 0..<500, using: &random)
                        }
                        let call = Task { try await store.read(try numbers.map { try CacheKey("k\($0)") }) }
                        if Bool.random(using: &random) {
                            for _ in 0..<Int.random(in: 0..<20, using: &random) { await Task.yield() }
                            call.cancel()
                        }
                        do {
                            let values = try await call.value.map { $0?.value }
                            #expect(values == numbers.map { Array("v\($0)".utf8) }, "task \(task)")
                            answered += 1
                        } catch {
                            #expect((error as? CacheError)?.code == .cancelled, "task \(task)")
                            cancelled += 1
                        }
                    }
                    return (answered, cancelled)
                }
            }
            for await (some, others) in group {
                answered += some
                cancelled += others
            }
        }
        // How many of the 3,200 or so were early enough is the machine's business.
        #expect(answered > 1000 && cancelled > 100, "\(answered) answered, \(cancelled) cancelled")
        // One connection served them all.
        #expect(log.messages(.debug).filter { $0.contains("connected") }.count == 1)
        #expect(log.messages(.warning).isEmpty)
    }
}
