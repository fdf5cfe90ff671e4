import CacheKit
import CacheKitCore
import Foundation
import Synchronization
import Testing

@testable import CacheKitRedis

// Bounds and ends of one connection, against a server that answers when the test says so.
@Suite(.timeLimit(.minutes(2))) struct RedisConnectionTests {
    private func connect(
        to server: ScriptedServer, _ change: (inout RedisConnection.Limits) -> Void
    ) throws -> RedisConnection {
        var limits = RedisConnection.Limits(
            commandTimeout: .seconds(60), commandsInFlight: 1000, bytesInFlight: 1 << 20, waitingCallers: 100,
            valueBytes: 1 << 20)
        change(&limits)
        let dialer = Dialer(endpoint: .tcp(host: "127.0.0.1", port: server.port), allowsLinkLocal: false, tls: nil)
        let stream = try dialer.dial(deadline: .now + .seconds(30))
        let connection = try RedisConnection(stream: stream, limits: limits) {}
        let bound = limits.valueBytes
        Thread.detachNewThread {
            guard let reader = try? RESPReader(maximumValueBytes: bound) else { return connection.close() }
            connection.runLoop(reader: reader)
        }
        return connection
    }

    private func echo(_ text: String) -> CommandBatch {
        var writer = RESPWriter()
        writer.command("ECHO", text)
        return CommandBatch(writer)
    }

    private func queues(_ connection: RedisConnection) -> [Int] {
        connection.state.withLock { [$0.pending.count, $0.waiting.count] }
    }

    /// Answers each `ECHO`, once the gate is open.
    private func echoing(after gate: Gate) throws -> ScriptedServer {
        try ScriptedServer { peer in
            gate.wait()
            while let command = peer.command() { peer.send("+\(command[1])\r\n") }
        }
    }

    @Test(arguments: [false, true])
    func `callers past the bound wait, further ones are refused, and all who waited are served`(
        byBytes: Bool
    ) async throws {
        let gate = Gate()
        let server = try echoing(after: gate)
        defer { server.stop() }
        let text = String(repeating: "x", count: 500)
        let size = echo(text + "0").bytes.count
        let connection = try connect(to: server) {
            if byBytes { $0.bytesInFlight = 2 * size } else { $0.commandsInFlight = 2 }
            $0.waitingCallers = 3
        }
        let tasks = (0..<5).map { number in
            Task { try await connection.send(self.echo("\(text)\(number)")) }
        }
        #expect(await eventually { self.queues(connection) == [2, 3] })
        #expect(await code { _ = try await connection.send(self.echo(text)) } == .backPressure)
        gate.open()
        for (number, task) in tasks.enumerated() {
            #expect(try await task.value == [.simpleString("\(text)\(number)")])
        }
        #expect(queues(connection) == [0, 0])
        connection.close()
    }

    @Test func `a caller past the bound waits until its deadline, and what it asked is never sent`() async throws {
        let gate = Gate()
        let server = try ScriptedServer { peer in
            // The first reply comes a byte at a time, which keeps the connection, and after every deadline.
            guard let first = peer.command() else { return }
            peer.trickle("+\(first[1])", pause: 60_000)
            gate.wait()
            peer.send("\r\n")
            while let command = peer.command() { peer.send("+\(command[1])\r\n") }
        }
        defer { server.stop() }
        let connection = try connect(to: server) {
            $0.commandsInFlight = 1
            $0.commandTimeout = .milliseconds(300)
        }
        let first = Task { try await connection.send(self.echo("abcdefghij")) }
        #expect(await eventually { server.commands.count == 1 })
        let start = ContinuousClock.now
        #expect(await code { _ = try await connection.send(self.echo("late")) } == .remoteTimeout)
        #expect(ContinuousClock.now - start >= .milliseconds(300))
        #expect(await code { _ = try await first.value } == .remoteTimeout)
        #expect(queues(connection) == [1, 0])
        gate.open()
        #expect(await eventually { self.queues(connection) == [0, 0] })
        #expect(try await connection.send(echo("after")) == [.simpleString("after")])
        #expect(server.commands.count == 2)
        connection.close()
    }

    @Test func `a connection that nobody uses is closed after its idle time, and not before`() async throws {
        let gate = Gate()
        gate.open()
        let server = try echoing(after: gate)
        defer { server.stop() }
        let connection = try connect(to: server) { $0.idleTimeout = .milliseconds(400) }
        let start = ContinuousClock.now
        // Used for longer than that.
        while ContinuousClock.now - start < .milliseconds(800) {
            #expect(try await connection.send(echo("x")) == [.simpleString("x")])
        }
        #expect(await eventually { connection.state.withLock { $0.ending != nil } })
        #expect(ContinuousClock.now - start >= .milliseconds(1200))
        #expect(await code { _ = try await connection.send(self.echo("x")) } == .remoteUnavailable)
    }

    @Test func `a batch over the bound goes when it is alone`() async throws {
        let gate = Gate()
        gate.open()
        let server = try echoing(after: gate)
        defer { server.stop() }
        let connection = try connect(to: server) { $0.bytesInFlight = 10 }
        for _ in 0..<3 { #expect(try await connection.send(echo("much")) == [.simpleString("much")]) }
        connection.close()
    }

    @Test func `cancelling some callers gives the others their own replies`() async throws {
        let gate = Gate()
        let server = try ScriptedServer { peer in
            var texts: [String] = []
            while texts.count < 40, let command = peer.command() { texts.append(command[1]) }
            gate.wait()
            for text in texts { peer.send("+\(text)\r\n") }
            while let command = peer.command() { peer.send("+\(command[1])\r\n") }
        }
        defer { server.stop() }
        let connection = try connect(to: server) { $0.commandsInFlight = 40 }
        // Forty are sent; ten more wait for room.
        let tasks = (0..<50).map { number in Task { try await connection.send(self.echo("\(number)")) } }
        #expect(await eventually { server.commands.count == 40 && self.queues(connection) == [40, 10] })
        for number in stride(from: 0, to: 50, by: 3) { tasks[number].cancel() }
        for number in stride(from: 0, to: 50, by: 3) {
            #expect(await code { _ = try await tasks[number].value } == .cancelled)
        }
        gate.open()
        for number in 0..<50 where number % 3 != 0 {
            #expect(try await tasks[number].value == [.simpleString("\(number)")])
        }
        #expect(try await connection.send(echo("after")) == [.simpleString("after")])
        connection.close()
    }

    @Test func `a task that was cancelled before sends nothing`() async throws {
        let gate = Gate()
        gate.open()
        let server = try echoing(after: gate)
        defer { server.stop() }
        let connection = try connect(to: server) { _ in }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await connection.send(self.echo("cancelled"))
        }
        #expect(await code { _ = try await task.value } == .cancelled)
        #expect(try await connection.send(echo("x")) == [.simpleString("x")])
        #expect(server.commands.count == 1)
        connection.close()
    }

    @Test func `closing ends every wait at once, and the thread and the descriptors with it`() async throws {
        let gate = Gate()
        let server = try echoing(after: gate)
        defer {
            gate.open()
            server.stop()
        }
        weak var released: RedisConnection?
        do {
            let connection = try connect(to: server) { $0.commandsInFlight = 2 }
            released = connection
            let tasks = (0..<5).map { _ in Task { try await connection.send(self.echo("x")) } }
            #expect(await eventually { self.queues(connection) == [2, 3] })
            connection.close()
            for task in tasks { #expect(await code { _ = try await task.value } == .shutdown) }
            #expect(await code { _ = try await connection.send(self.echo("x")) } == .shutdown)
        }
        // The thread holds it until it has ended.
        #expect(await eventually { released == nil })
    }

    @Test func `replies that race with the end of the connection leave no caller behind`() async throws {
        let server = try ScriptedServer { peer in
            for _ in 0..<25 {
                guard let command = peer.command() else { return }
                peer.send("+\(command[1])\r\n")
            }
        }
        defer { server.stop() }
        for _ in 0..<20 {
            let connection = try connect(to: server) { $0.commandsInFlight = 7 }
            let tasks = (0..<50).map { number in
                Task { () -> Bool in
                    if number % 5 == 0 { Task { connection.close() } }
                    do {
                        return try await connection.send(self.echo("\(number)")) == [.simpleString("\(number)")]
                    } catch let error as CacheError {
                        return [.shutdown, .mayHaveBeenApplied, .remoteUnavailable].contains(error.code)
                    }
                }
            }
            for task in tasks { #expect(try await task.value) }
        }
    }

    @Test func `a server that stops answering is given up after the command deadline`() async throws {
        let server = try ScriptedServer { peer in
            peer.command()
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        let connection = try connect(to: server) { $0.commandTimeout = .milliseconds(50) }
        #expect(await code { _ = try await connection.send(self.echo("x")) } == .remoteTimeout)
        #expect(await eventually { connection.state.withLock { $0.ending != nil } })
        #expect(await code { _ = try await connection.send(self.echo("x")) } == .remoteUnavailable)
    }

    @Test func `only the caller whose reply breaks the bounds gets the protocol error`() async throws {
        let server = try ScriptedServer { peer in
            peer.command()
            peer.command()
            peer.send("$9000000\r\n")
            peer.send(Array(repeating: 0, count: 2000))
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        let connection = try connect(to: server) { $0.valueBytes = 1024 }
        let guilty = Task { try await connection.send(self.echo("large")) }
        #expect(await eventually { self.queues(connection) == [1, 0] })
        let other = Task { try await connection.send(self.echo("small")) }
        #expect(await code { _ = try await guilty.value } == .remoteProtocol)
        #expect(await code { _ = try await other.value } == .mayHaveBeenApplied)
    }

    @Test(arguments: ["?nonsense\r\n", "$9000000\r\n" + String(repeating: "x", count: 2000)])
    func `what can't be read fails the connection, and every caller learns why`(_ bytes: String) async throws {
        let gate = Gate()
        let server = try ScriptedServer { peer in
            for _ in 0..<8 { peer.command() }
            gate.wait()
            peer.send(bytes)
            _ = peer.isClosedByClient()
        }
        defer { server.stop() }
        // Eight are sent, four wait for room.
        let connection = try connect(to: server) {
            $0.valueBytes = 1024
            $0.commandsInFlight = 8
        }
        let tasks = (0..<12).map { number in Task { try await connection.send(self.echo("\(number)")) } }
        #expect(await eventually { server.commands.count == 8 && self.queues(connection) == [8, 4] })
        gate.open()
        var codes: [CacheError.Code] = []
        for task in tasks {
            let error = await #expect(throws: CacheError.self) { try await task.value }
            guard let error else { continue }
            codes.append(error.code)
            let reason = error.code == .remoteProtocol ? error : error.cause as? CacheError
            #expect(reason?.code == .remoteProtocol)
            #expect(reason?.message.contains(bytes.hasPrefix("$") ? "over the limit" : "not a Redis reply") == true)
        }
        #expect(codes.filter { $0 == .remoteProtocol }.count == 1)
        #expect(codes.filter { $0 == .mayHaveBeenApplied }.count == 7)
        #expect(codes.filter { $0 == .remoteUnavailable }.count == 4)
        #expect(await code { _ = try await connection.send(self.echo("x")) } == .remoteUnavailable)
    }
}
