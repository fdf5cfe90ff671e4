import CacheKitCore
import Foundation
import Synchronization
import Testing

@testable import CacheKitRedis

// A caller that looks out for its reply itself: when it does, when it leaves that be, and what it must not take for a reply.
@Suite(.timeLimit(.minutes(1))) struct SpinningTests {
    private func connect(to server: ScriptedServer) throws -> RedisConnection {
        let limits = RedisConnection.Limits(
            commandTimeout: .seconds(60), commandsInFlight: 1000, bytesInFlight: 1 << 20, waitingCallers: 100,
            valueBytes: 1 << 20)
        let dialer = Dialer(endpoint: .tcp(host: "127.0.0.1", port: server.port), allowsLinkLocal: false)
        let connection = try RedisConnection(
            stream: try dialer.dial(deadline: .now + .seconds(30)), limits: limits, onFirstAnswer: {})
        Thread.detachNewThread {
            guard let reader = try? RESPReader(maximumValueBytes: 1 << 20) else { return connection.close() }
            connection.runLoop(reader: reader)
        }
        return connection
    }

    private func echo(_ text: String) -> CommandBatch {
        var writer = RESPWriter()
        writer.command("ECHO", text)
        return CommandBatch(writer)
    }

    /// Sends small commands, one after the other, until the I/O thread leaves reading to callers.
    private func warmUp(_ connection: RedisConnection) async throws {
        let isReady = await eventually {
            let reply = try? await connection.send(self.echo("x"))
            // The thread goes back to sleep a moment after the reply.
            await Task.yield()
            return reply == [.simpleString("x")] && connection.state.withLock { $0.isReadByCallers }
        }
        try #require(isReady)
    }

    @Test func `a failure puts the next try off, twice as long each time, and a success begins anew`() {
        var spinning = Spinning()
        #expect(!spinning.isPromising)
        func pause() -> Int {
            spinning.failed()
            var count = 0
            while !spinning.isPromising {
                spinning.note(isSmall: true)
                count += 1
            }
            return count
        }
        spinning.note(isSmall: true)
        #expect(spinning.isPromising)
        let pauses: [Int] = [pause(), pause(), pause()]
        #expect(pauses == [4, 8, 16])
        spinning.succeeded()
        let first: Int = pause()
        #expect(first == 4)
        for _ in 0..<20 { _ = pause() }
        let last: Int = pause()
        #expect(last == 1024)
        spinning.note(isSmall: false)
        #expect(!spinning.isPromising)
    }

    #if os(Linux)
        @Test func `callers get their own replies whoever reads them, near or slow`() async throws {
            let server = try ScriptedServer { peer in
                var count = 0
                while let command = peer.command() {
                    count += 1
                    if count % 50 == 0 { usleep(2000) }
                    peer.send("+\(command[1])\r\n")
                }
            }
            defer { server.stop() }
            let connection = try connect(to: server)
            defer { connection.close() }
            try await warmUp(connection)
            for number in 0..<500 {
                #expect(try await connection.send(echo("\(number)")) == [.simpleString("\(number)")])
                guard number % 20 == 0 else { continue }
                let tasks = (0..<10).map { task in Task { try await connection.send(self.echo("\(number):\(task)")) } }
                for (task, handle) in tasks.enumerated() {
                    #expect(try await handle.value == [.simpleString("\(number):\(task)")])
                }
            }
        }

        @Test func `bytes that came unasked are never taken for the reply to the next command`() async throws {
            let gate = Gate()
            let wasSent = Mutex(false)
            let server = try ScriptedServer { peer in
                while let command = peer.command() {
                    peer.send("+\(command[1])\r\n")
                    guard command[1] == "last" else { continue }
                    gate.wait()
                    peer.send("+unasked\r\n")
                    wasSent.withLock { $0 = true }
                }
            }
            defer { server.stop() }
            let connection = try connect(to: server)
            try await warmUp(connection)
            #expect(try await connection.send(echo("last")) == [.simpleString("last")])
            gate.open()
            #expect(await eventually { wasSent.withLock { $0 } })
            // The system may keep back a small piece until the one before it is acknowledged.
            #expect(Poll.wait(connection.stream.descriptor, for: .reading, until: .now + .seconds(30)))
            #expect(await code { _ = try await connection.send(self.echo("next")) } == .remoteUnavailable)
            #expect(connection.state.withLock { $0.ending != nil })
        }

        @Test func `the end of a connection is noticed while nobody reads`() async throws {
            let gate = Gate()
            let server = try ScriptedServer { peer in
                while let command = peer.command() {
                    peer.send("+\(command[1])\r\n")
                    guard command[1] != "last" else { break }
                }
                gate.wait()
            }
            defer { server.stop() }
            let connection = try connect(to: server)
            try await warmUp(connection)
            _ = try await connection.send(echo("last"))
            #expect(connection.state.withLock { $0.ending == nil })
            gate.open()
            #expect(await eventually { connection.state.withLock { $0.ending != nil } })
        }
    #endif
}
