import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Testing

// Each fault against a real server: what the client is told, and what the server did.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct FaultProxyTests {
    /// A login without a name is `PING`, 14 bytes, and `+PONG`, 7.
    private let loginRequest = 14
    private let loginReply = 7

    /// One write through a proxy whose first connection has these faults, and whether the server has the value then.
    private func write(_ faults: [Fault]) async throws -> (code: CacheError.Code?, isThere: Bool, proxy: FaultProxy) {
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server) { $0 == 0 ? faults : [] }
        let store = try makeStore(proxy.url) {
            $0.clientName = ""
            $0.commandTimeout = .milliseconds(300)
        }
        let code = await code { _ = try await store.write([try put("k", Array("value".utf8))]) }
        let found = try await makeStore(server.unixURL).contains([try CacheKey("k")])
        // And it goes on from there.
        #expect(await eventually { await self.code { try await store.ping() } == nil })
        return (code, found[0], proxy)
    }

    private func code(_ body: () async throws -> Void) async -> CacheError.Code? {
        await CacheKitRedisTests.code(body)
    }

    @Test func `without faults everything passes`() async throws {
        let (code, isThere, proxy) = try await write([])
        #expect(code == nil && isThere)
        #expect(proxy.connectionCount == 1 && proxy.cutCount == 0)
    }

    @Test func `a cut in a command leaves it undone, one in its reply does not`() async throws {
        let inCommand = try await write([.cut(.requests, after: loginRequest + 10)])
        #expect(inCommand.code == .mayHaveBeenApplied && !inCommand.isThere)
        #expect(inCommand.proxy.cutCount == 1 && inCommand.proxy.connectionCount == 2)
        for bytes in [0, 1] {
            let inReply = try await write([.cut(.replies, after: loginReply + bytes)])
            // Without a byte of its reply, the cut comes with the end of the login: perhaps before the command was sent.
            #expect(inReply.code == .mayHaveBeenApplied && inReply.isThere || bytes == 0)
            #expect(inReply.proxy.cutCount == 1)
        }
    }

    @Test func `swallowed replies are a timeout of a command that took effect, swallowed requests of one that did not`()
        async throws
    {
        let replies = try await write([.swallow(.replies, after: loginReply)])
        #expect(replies.code == .remoteTimeout && replies.isThere)
        let requests = try await write([.swallow(.requests, after: loginRequest)])
        #expect(requests.code == .remoteTimeout && !requests.isThere)
    }

    @Test func `delayed and trickled bytes arrive whole and in order`() async throws {
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server) { _ in
            [.delay(.requests, .milliseconds(40)), .trickle(.replies, every: .microseconds(200))]
        }
        let store = try makeStore(proxy.url)
        try await store.ping()
        let value = (0..<500).map { UInt8(truncatingIfNeeded: $0) }
        let begin = ContinuousClock.now
        _ = try await store.write([try put("k", value)])
        #expect(begin.duration(to: .now) >= .milliseconds(40))
        let trickling = ContinuousClock.now
        #expect(try await store.read([try CacheKey("k")])[0]?.value == value)
        #expect(trickling.duration(to: .now) >= .milliseconds(140))
        #expect(proxy.connectionCount == 1)
    }

    @Test func `garbage between replies is a protocol error, and the next connection is clean`() async throws {
        let (code, isThere, proxy) = try await write([.garbage(Array("HTTP/1.1 400\r\n".utf8), after: loginReply)])
        #expect(code == .remoteProtocol && isThere)
        #expect(proxy.connectionCount == 2)
    }

    @Test func `cutting all connections ends them, and a stopped proxy refuses`() async throws {
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server)
        let store = try makeStore(proxy.url) { $0.maximumBackoff = .milliseconds(5) }
        try await store.ping()
        proxy.cutAll()
        #expect(await eventually { proxy.cutCount == 1 })
        #expect(await eventually { await self.code { try await store.ping() } == nil })
        proxy.stop()
        #expect(await eventually { await self.code { try await store.ping() } == .remoteUnavailable })
    }

    @Test func `random cuts repeat themselves from their seed and reach both ends of their range`() {
        func draw(_ seed: UInt64) -> [Fault] {
            var random = SeededRandom(seed: seed)
            return (0..<500).map { _ in .randomCut(below: 1 << 12, using: &random) }
        }
        #expect(draw(1) == draw(1))
        #expect(draw(1) != draw(2))
        let positions = draw(1).map { fault -> Int in
            guard case .cut(_, let after) = fault else { return -1 }
            return after
        }
        #expect(positions.min() == 0 && positions.max()! > 3000 && positions.max()! < 4096)
    }
}
