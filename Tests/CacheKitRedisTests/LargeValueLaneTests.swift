import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitRedis

// Large values on a second connection: who goes there, in which order, and what that is good for.
@Suite(.timeLimit(.minutes(2))) struct LargeValueLaneTests {
    private static let large = [UInt8](repeating: 76, count: 4096)

    /// What each connection of a server was asked, in the order in which the connections were made.
    private final class Record: Sendable {
        private let lines = Mutex<[[String]]>([])

        func add(connection: Int, _ command: [String]) {
            lines.withLock { lines in
                while lines.count <= connection { lines.append([]) }
                lines[connection].append(command.prefix(2).joined(separator: " "))
            }
        }

        subscript(connection: Int) -> [String] {
            lines.withLock { $0.indices.contains(connection) ? $0[connection] : [] }
        }
    }

    /// A connection that notes what it is asked, and answers once the gate is open.
    private func script(_ connection: Int, _ record: Record, after gate: Gate? = nil) -> ScriptedServer.Script {
        { peer in
            peer.logIn()
            var owed = ""
            while let command = peer.command() {
                record.add(connection: connection, command)
                owed += command[0] == "DEL" ? ":1\r\n" : "+OK\r\n"
                if let gate, !gate.isOpened { continue }
                peer.send(owed)
                owed = ""
            }
        }
    }

    @Test func `a write follows a large one of its key that nobody waits for any more, and others do not`() async throws
    {
        let (record, gate) = (Record(), Gate())
        let server = try ScriptedServer(script(0, record), script(1, record, after: gate))
        defer { server.stop() }
        let store = try makeStore(server.url) {
            $0.largeValueBytes = 4096
            $0.commandTimeout = .seconds(60)
        }
        _ = try await store.write([try put("first", [1])])
        let abandoned = Task { try await store.write([try put("k", Self.large), try put("beside", [1])]) }
        #expect(await eventually { record[1].count == 2 })
        abandoned.cancel()
        #expect(await code { _ = try await abandoned.value } == .cancelled)
        let followers = try [
            [put("k", [2])], [put("other", [3]), put("beside", [3])],
            [RemoteWrite(key: CacheKey("k"), action: .delete)],
        ]
        var tasks: [Task<[RemoteWriteResult], any Error>] = []
        for (number, writes) in followers.enumerated() {
            tasks.append(Task { try await store.write(writes) })
            #expect(await eventually { record[1].count == [3, 5, 6][number] })
        }
        // A key that has nothing on the lane goes its way meanwhile.
        _ = try await store.write([try put("free", [4])])
        #expect(record[0].filter { $0 != "PING" } == ["SET first", "SET free"])
        gate.open()
        // The next command makes the script answer all that it owes.
        _ = try await store.write([try put("k", [5])])
        for task in tasks { _ = try await task.value }
        #expect(
            record[1] == ["SET k", "SET beside", "SET k", "SET other", "SET beside", "DEL k", "SET k"])
        // Settled: small again, on the first connection.
        #expect(
            await eventually {
                _ = try? await store.write([try put("k", [6])])
                return record[0].last == "SET k"
            })
    }

    @Test func `a large write waits for what was sent before it on the other connection`() async throws {
        let (record, gate) = (Record(), Gate())
        let server = try ScriptedServer(
            { peer in
                peer.logIn()
                var owed = 0
                while owed < 2, let command = peer.command() {
                    record.add(connection: 0, command)
                    owed += 1
                }
                gate.wait()
                for _ in 0..<owed { peer.send("+OK\r\n") }
                while peer.command() != nil { peer.send("+OK\r\n") }
            }, script(1, record))
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.largeValueBytes = 4096 }
        let abandoned = Task { try await store.write([try put("k", [1])]) }
        #expect(await eventually { record[0] == ["SET k"] })
        abandoned.cancel()
        #expect(await code { _ = try await abandoned.value } == .cancelled)
        let large = Task { try await store.write([try put("k", Self.large)]) }
        #expect(await eventually { record[0] == ["SET k", "PING"] })
        #expect(server.connectionCount == 1)
        gate.open()
        guard case .applied = try await large.value[0] else { throw CacheError(.internalFault, "not applied") }
        #expect(record[1] == ["SET k"])
    }

    @Test func `a command about a key keeps its place among the writes of that key`() async throws {
        let (record, gate) = (Record(), Gate())
        let server = try ScriptedServer(script(0, record), script(1, record, after: gate))
        defer { server.stop() }
        let store = try makeStore(server.url) {
            $0.largeValueBytes = 4096
            $0.commandTimeout = .seconds(60)
        }
        _ = try await store.write([try put("first", [1])])
        async let large = store.write([try put("k", Self.large)])
        #expect(await eventually { record[1] == ["SET k"] })
        async let command = store.command(words("APPEND", "k", "x"), for: "k")
        #expect(await eventually { record[1] == ["SET k", "APPEND k"] })
        // Others need not wait, nor does what names no key.
        _ = try await store.command(words("APPEND", "free", "x"), for: "free")
        _ = try await store.command(words("APPEND", "k", "x"))
        #expect(record[0].filter { $0 != "PING" } == ["SET first", "APPEND free", "APPEND k"])
        // One that is itself large goes there, too, and what follows it.
        async let next = store.command([Array("APPEND".utf8), Array("other".utf8), Self.large], for: "other")
        #expect(await eventually { record[1].last == "APPEND other" })
        gate.open()
        _ = try await store.write([try put("other", [2])])
        _ = try await (large, command, next)
        #expect(record[1] == ["SET k", "APPEND k", "APPEND other", "SET other"])
    }

    /// Takes one command and closes without an answer.
    private func losing(_ connection: Int, _ record: Record) -> ScriptedServer.Script {
        { peer in
            peer.logIn()
            if let command = peer.command() { record.add(connection: connection, command) }
        }
    }

    @Test func `a write whose outcome stayed open is not overtaken by the next one of its key`() async throws {
        let record = Record()
        let server = try ScriptedServer(script(0, record), losing(1, record), script(2, record))
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.largeValueBytes = 4096 }
        _ = try await store.write([try put("first", [1])])
        #expect(await code { _ = try await store.write([try put("k", Self.large)]) } == .mayHaveBeenApplied)
        // The first connection is there, and what the lost one left in the server's buffers is not behind it.
        _ = try await store.write([try put("k", [2])])
        #expect(record[1] == ["SET k"] && record[2] == ["SET k"])
        #expect(
            await eventually {
                _ = try? await store.write([try put("k", [3])])
                return record[0] == ["SET first", "SET k"]
            })
    }

    @Test func `a large write does not overtake one of its key whose connection was lost`() async throws {
        let record = Record()
        // The lane's connection is the first one.
        let server = try ScriptedServer(script(0, record), losing(1, record), script(2, record))
        defer { server.stop() }
        let store = try makeStore(server.url) { $0.largeValueBytes = 4096 }
        _ = try await store.write([try put("large", Self.large)])
        #expect(await code { _ = try await store.write([try put("k", [1])]) } == .mayHaveBeenApplied)
        _ = try await store.write([try put("k", Self.large)])
        #expect(record[0] == ["SET large", "SET k"])
        #expect(record[1] == ["SET k"])
        #expect(record[2] == ["PING"])
    }

    @Test func `a large write behind others that are never answered is not sent, and times out`() async throws {
        let (record, gate) = (Record(), Gate())
        let server = try ScriptedServer(script(0, record, after: gate), script(1, record))
        defer { server.stop() }
        let store = try makeStore(server.url) {
            $0.largeValueBytes = 4096
            $0.commandTimeout = .milliseconds(400)
        }
        async let small = code { _ = try await store.write([try put("k", [1])]) }
        #expect(await eventually { record[0] == ["SET k"] })
        // Either its own time is over first, or the connection is given up and what was on it is over.
        let outcome = await code { _ = try await store.write([try put("k", Self.large)]) }
        #expect(outcome == .remoteTimeout || outcome == .remoteUnavailable || outcome == nil)
        #expect(await small == .remoteTimeout)
        if outcome != nil { #expect(record[1].isEmpty) }
    }

    @Test func `a server that is known to be away is not asked by the lane either`() async throws {
        let server = try ScriptedServer { peer in
            peer.logIn()
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        let store = try makeStore(server.url) {
            $0.largeValueBytes = 4096
            $0.commandTimeout = .milliseconds(100)
            $0.initialBackoff = .seconds(1)
            $0.maximumBackoff = .seconds(600)
        }
        // Fails again until the wait that is drawn is a long one.
        #expect(
            await eventually {
                _ = await code { try await store.ping() }
                return store.warnings.contains { $0.contains("tries again") && !$0.contains(": 1,") }
            })
        let connections = server.connectionCount
        let start = ContinuousClock.now
        let error = await #expect(throws: CacheError.self) {
            _ = try await store.write([try put("k", Self.large)])
        }
        if error?.message.contains("circuit breaker") == true {
            #expect(ContinuousClock.now - start < .milliseconds(90))
            #expect(server.connectionCount == connections)
        }
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `the second connection is made for the first large value, kept while it is used, and closed when idle`()
        async throws
    {
        let server = try await RedisServer.start()
        let observer = try makeStore(server.unixURL)
        func connections() async throws -> Int {
            guard case .bulkString(let text) = try await observer.command(words("CLIENT", "LIST")) else { return 0 }
            return String(decoding: text, as: UTF8.self).split(separator: "\n").filter { $0.contains("name=lane") }
                .count
        }
        let store = try makeStore(server.url) {
            $0.clientName = "lane"
            $0.largeValueBytes = 4096
            $0.largeValueIdle = .milliseconds(300)
        }
        _ = try await store.write([try put("small", [1])])
        _ = try await store.read([try CacheKey("small")])
        #expect(try await connections() == 1)
        for round in 0..<3 {
            _ = try await store.write([try put("large\(round)", Self.large)])
            #expect(try await connections() == 2)
            #expect(await eventually { (try? await connections()) == 1 })
            #expect(try await store.read([try CacheKey("large\(round)")])[0]?.value == Self.large)
        }
        #expect(store.warnings.isEmpty)
        let plain = try makeStore(server.url) {
            $0.clientName = "lane"
            $0.largeValueBytes = nil
        }
        _ = try await plain.write([try put("large", Self.large)])
        #expect(try await connections() == 2)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"), arguments: UInt64(0)..<4)
    func `the last write of a key is what stays, however sizes mix and callers give up`(seed: UInt64) async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.url) { $0.largeValueBytes = 4096 }
        // Each task owns some keys, writes them in order, and leaves some calls before their reply.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var random = SeededRandom(seed: seed &* 100 &+ UInt64(task))
                    var last: [String: [UInt8]] = [:]
                    for round in 0..<60 {
                        let writes = (0..<Int.random(in: 1...6, using: &random)).map { index in
                            let size = [1, 100, 4096, 300_000][Int.random(in: 0..<4, using: &random)]
                            let mark = Array("\(round)/\(index)/".utf8)
                            return (
                                "t\(task)-\(Int.random(in: 0..<3, using: &random))",
                                mark + [UInt8](repeating: 1, count: size)
                            )
                        }
                        let batch = try writes.map { try put($0.0, $0.1) }
                        for write in writes { last[write.0] = write.1 }
                        let call = Task { try await store.write(batch) }
                        if round % 3 == 1, round < 59 {
                            // Whether it was sent is open: the next round writes all keys of it again.
                            call.cancel()
                            _ = try? await call.value
                            let again = try last.keys.map { try put($0, last[$0] ?? []) }
                            _ = try await store.write(again)
                        } else {
                            _ = try await call.value
                        }
                    }
                    // Behind everything, on either connection.
                    for (key, value) in last {
                        let found = try await store.read([try CacheKey(key)])[0]?.value
                        #expect(found == value, "seed \(seed), task \(task)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Times of small reads while another task writes values of one size without a pause: the median, and all but a hundredth.
    private func smallReads(
        on server: RedisServer, beside size: Int, largeValueBytes: Int?
    ) async throws -> (median: Duration, p99: Duration) {
        let store = try makeStore(server.unixURL) { $0.largeValueBytes = largeValueBytes }
        let value = [UInt8](repeating: 7, count: size)
        _ = try await store.write([try put("small", [1]), try put("large", value)])
        let writing = Task {
            while !Task.isCancelled { _ = try await store.write([try put("large", value)]) }
        }
        defer { writing.cancel() }
        let key = try CacheKey("small")
        var times: [Duration] = []
        for _ in 0..<300 {
            let start = ContinuousClock.now
            _ = try await store.read([key])
            times.append(ContinuousClock.now - start)
            try await Task.sleep(for: .milliseconds(1))
        }
        times.sort()
        writing.cancel()
        _ = try? await writing.value
        await store.close()
        return (times[150], times[297])
    }

    @Test(.enabled(if: RedisServer.isInstalled && !TestEffort.isSanitized, "no redis-server in PATH, or a sanitizer"))
    func `small reads do not wait behind large writes`() async throws {
        let server = try await RedisServer.start()
        let lane = try await smallReads(on: server, beside: 16 << 20, largeValueBytes: 256 << 10)
        let shared = try await smallReads(on: server, beside: 16 << 20, largeValueBytes: nil)
        print("small reads beside writes of 16 MiB: on a lane \(lane), on one connection \(shared)")
        #expect(lane.median * 2 < shared.median)
        #expect(lane.p99 < shared.p99)
    }

    @Test(
        .enabled(
            if: RedisServer.isInstalled && TestEffort.isLong, "measures the default; CACHEKIT_ENDURANCE=1"),
        arguments: [16, 64, 256, 1024, 4096])
    func `what a lane is worth by size`(kibibytes: Int) async throws {
        let server = try await RedisServer.start()
        let lane = try await smallReads(on: server, beside: kibibytes << 10, largeValueBytes: 4096)
        let shared = try await smallReads(on: server, beside: kibibytes << 10, largeValueBytes: nil)
        print("small reads beside writes of \(kibibytes) KiB: on a lane \(lane), on one connection \(shared)")
        #expect(lane.median < .milliseconds(20))
    }
}
