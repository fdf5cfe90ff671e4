import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Synchronization
import Testing

@testable import CacheKitRedis

// A peer of ours on the other side, which can do what no Redis does.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct TLSStreamTests {
    private let authority: TestAuthority

    init() throws {
        authority = try TestAuthority()
    }

    private func trusted() -> RedisTLS {
        var tls = RedisTLS()
        tls.trust = .only(.pem(authority.certificate))
        return tls
    }

    private func stream(_ port: Int, _ context: TLSContext? = nil) throws -> TLSStream {
        let dialer = Dialer(
            endpoint: .tcp(host: "127.0.0.1", port: port), allowsLinkLocal: false,
            tls: try context ?? TLSContext(trusted()))
        return try #require(try dialer.dial(deadline: .now + .seconds(20)) as? TLSStream)
    }

    /// Reads until so many bytes have come, or the end.
    private func read(_ count: Int, from stream: TLSStream, at once: Int = 64 << 10) -> [UInt8] {
        var result: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: once, alignment: 16)
        defer { buffer.deallocate() }
        while result.count < count {
            guard
                stream.holdsReceivedBytes
                    || Poll.wait(stream.descriptor, for: .reading, until: .now + .seconds(10))
            else { return result }
            switch stream.read(into: buffer) {
            case .bytes(let count): result += buffer[..<count]
            case .wouldBlock: continue
            case .endOfStream, .failed: return result
            }
        }
        return result
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `keys that are drawn anew disturb nobody`() async throws {
        let server = try await RedisServer.start()
        let listener = try TLSListener(try authority.issue()) { $0.relay(to: server.socketPath, updatingKeys: true) }
        defer { listener.stop() }
        let tls = trusted()
        let store = try makeStore("rediss://127.0.0.1:\(listener.port)") { $0.tls = tls }
        let value = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let wrong = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<16 {
                group.addTask {
                    var wrong = 0
                    for round in 0..<10 {
                        let key = "t\(task).\(round)"
                        _ = try await store.write([try put(key, value)])
                        if try await store.read([try CacheKey(key)])[0]?.value != value { wrong += 1 }
                    }
                    return wrong
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(wrong == 0)
        // One connection, or one for each lane, and none that was made anew.
        #expect((1...2).contains(listener.counts.handshakes))
    }

    @Test func `whoever has a certificate for another name learns nothing`() async throws {
        let heard = Mutex<[UInt8]>([])
        let listener = try TLSListener(try authority.issue(names: "DNS:mallory.example,IP:127.0.0.9")) { peer in
            while let bytes = peer.receive() { heard.withLock { $0 += bytes } }
        }
        defer { listener.stop() }
        let tls = trusted()
        let store = try makeStore("rediss://app:hunter2@localhost:\(listener.port)") { $0.tls = tls }
        #expect(await code { try await store.ping() } == .remoteAuthentication)
        // The peer of TLS 1.3 may believe the handshake done before it reads the alert.
        #expect(await eventually { listener.counts.handshakes + listener.counts.failedHandshakes == 1 })
        #expect(heard.withLock { $0 }.isEmpty)
    }

    @Test func `what is counted as written is what the server can read, and not a byte more`() async throws {
        let isOpen = Gate()
        let heard = Mutex<(count: Int, isOver: Bool)>((0, false))
        let listener = try TLSListener(try authority.issue()) { peer in
            isOpen.wait()
            while let bytes = peer.receive() { heard.withLock { $0.count += bytes.count } }
            heard.withLock { $0.isOver = true }
        }
        defer { listener.stop() }
        let stream = try stream(listener.port)
        let bytes = [UInt8](repeating: 7, count: 100 << 20)
        var written = 0
        // Until the socket has not taken anything for a while: nobody reads.
        filling: while true {
            switch bytes.withUnsafeBytes({ stream.write(UnsafeRawBufferPointer(rebasing: $0[written...])) }) {
            case .bytes(let count): written += count
            case .wouldBlock:
                guard Poll.wait(stream.descriptor, for: .writing, until: .now + .milliseconds(200)) else {
                    break filling
                }
            case .endOfStream, .failed: break filling
            }
        }
        #expect(written > 0 && written < bytes.count)
        stream.shutDown()
        isOpen.open()
        #expect(await eventually { heard.withLock { $0.isOver } })
        #expect(heard.withLock { $0.count } == written)
        // Closing with unread bytes resets the connection, and what is on its way is lost.
        withExtendedLifetime(stream) {}
    }

    @Test func `bytes of a record that the reader had no room for are not forgotten`() throws {
        let sent = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        let isDone = Gate()
        let listener = try TLSListener(try authority.issue()) { peer in
            peer.send(sent)
            isDone.wait()
        }
        defer {
            isDone.open()
            listener.stop()
        }
        #expect(read(sent.count, from: try stream(listener.port), at: 1000) == sent)
    }

    @Test(arguments: [TLS1_2, TLS1_3])
    func `a later connection goes on with the session of an earlier one`(version: Int32) throws {
        let listener = try TLSListener(try authority.issue(), maximumVersion: version) { peer in
            peer.send([1])
            while peer.receive() != nil {}
        }
        defer { listener.stop() }
        let context = try TLSContext(trusted())
        for number in 0..<4 {
            let stream = try stream(listener.port, context)
            #expect(read(1, from: stream) == [1])
            // By an orderly end, and without one.
            if number.isMultiple(of: 2) { stream.shutDown() } else { stream.socket.shutDown(); stream.shutDown() }
            #expect(context.sessions.count == 1)
        }
        #expect(listener.counts.handshakes == 4)
        #expect(listener.counts.resumptions == 3)
    }

    @Test(.enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
    func `cut at any place, a connection fails its callers and the next one serves them`() async throws {
        let server = try await RedisServer.start()
        let limits = Mutex([1, 10, 200, 5000, 40_000, 70_000, Int.max])
        let listener = try TLSListener(try authority.issue()) { peer in
            let limit = limits.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            peer.relay(to: server.socketPath, cutAfter: limit)
        }
        defer { listener.stop() }
        let plain = try makeStore(server.unixURL)
        let value = (0..<30_000).map { UInt8(truncatingIfNeeded: $0 &* 11) }
        _ = try await plain.write([try put("k", value)])
        let tls = trusted()
        let store = try makeStore("rediss://127.0.0.1:\(listener.port)") {
            $0.tls = tls
            $0.maximumBackoff = .milliseconds(5)
        }
        let key = try CacheKey("k")
        var failures: Set<String> = []
        let served = await eventually {
            do {
                let read = try await store.read([key])
                guard read[0]?.value == value else { return false }
                return limits.withLock { $0.count } == 1 && listener.counts.handshakes >= 7
            } catch {
                failures.insert((error as? CacheError)?.code.description ?? "another error")
                return false
            }
        }
        #expect(served)
        #expect(failures.isSubset(of: ["remoteUnavailable", "mayHaveBeenApplied"]), "\(failures)")
    }

    @Test func `what answers in another protocol is no TLS`() async throws {
        let server = try ScriptedServer({ peer in peer.send("-ERR unknown command\r\n") })
        defer { server.stop() }
        let tls = trusted()
        let store = try makeStore("rediss://127.0.0.1:\(server.port)") { $0.tls = tls }
        let error = await #expect(throws: CacheError.self) { try await store.ping() }
        #expect(error?.code == .remoteUnavailable)
        #expect(error?.message.contains("speaks no TLS") == true, "\(String(describing: error))")
        // And the other way round: an alert of TLS is no reply.
        let alerting = try ScriptedServer({ peer in peer.send("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}F") })
        defer { alerting.stop() }
        let plain = try makeStore(alerting.url)
        let other = await #expect(throws: CacheError.self) { try await plain.ping() }
        #expect(other?.message.contains("use rediss://") == true, "\(String(describing: other))")
    }

    private static let TLS1_2: Int32 = 0x0303
    private static let TLS1_3: Int32 = 0x0304
}
