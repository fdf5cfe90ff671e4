import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

/// Somebody without versions writes the same keys by plain commands, as other SDKs do.
@Suite(
    .serialized, .timeLimit(.minutes(1)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct PlainWriterTests {
    private let keys = (0..<120).map { "k\($0)" }

    private func encryption() throws -> Encryption {
        .plain(fileKey: .key(try MasterKey(bytes: SyncScene.masterKey)))
    }

    private func set(_ server: RedisServer, _ key: String, _ number: UInt8) {
        // MessagePack of a number below 128 is that byte.
        #expect(server.command("SET", "n:\(key)", String(UnicodeScalar(number))) == .text("OK"))
    }

    private func numbers(_ cache: Cache) -> Namespace<Int> {
        cache.namespace(SyncScene.namespace, of: Int.self, mode: .interop)
    }

    private func held(_ server: RedisServer, _ key: String) -> UInt8? {
        server.command("GET", "n:\(key)")?.text?.utf8.first
    }

    @Test func `what was written meanwhile stays when changes are late`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server)
        let node = try await scene.node(proxy.url, encryption: encryption())
        let numbers = numbers(node)
        try await node.running {
            for key in keys { try await numbers.set(1, for: key) }
            _ = try await node.settled()
            try await proxy.isolate(node)
            for key in keys[..<80] { try await numbers.set(2, for: key) }
            try await numbers.delete(Array(keys[80..<100]))
            try await eventually("a failure") { try await node.syncStatus()?.lastError != nil }
            for key in keys[..<40] { set(server, key, 3) }
            for key in keys[40..<60] { #expect(server.command("DEL", "n:\(key)") == .text("1")) }
            for key in keys[80..<90] { set(server, key, 3) }
            proxy.setPlan { _ in [] }
            let status = try await node.settled()
            #expect(status.outcomes.foreign == 50 && status.outcomes.applied == 120 + 50, "\(status.outcomes)")
            #expect(status.outcomes.ended == 220, "\(status.outcomes)")
            // A delete by somebody else can't be told from an eviction: by default the change is written.
            let expected = (0..<120).map { index -> UInt8? in
                switch index {
                case ..<40, 80..<90: 3
                case ..<80: 2
                case ..<100: nil
                default: 1
                }
            }
            #expect(keys.map { held(server, $0) } == expected)
            // The node took over what won.
            let read = try await numbers.get(keys)
            #expect(keys.map { read[$0] } == expected.map { $0.map(Int.init) })
        }
        server.stop()
    }

    @Test func `fresh changes do not ask who wrote before`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let node = try await scene.node(server.url, encryption: encryption())
        let numbers = numbers(node)
        try await node.running {
            for key in keys { try await numbers.set(1, for: key) }
            _ = try await node.settled()
            for key in keys[..<60] { set(server, key, 3) }
            for key in keys[60..<80] { _ = server.command("DEL", "n:\(key)") }
            for key in keys[..<80] { try await numbers.set(4, for: key) }
            try await numbers.delete(Array(keys[..<20]))
            let status = try await node.settled()
            #expect(!status.outcomes.hasTrouble, "\(status.outcomes)")
            let expected = (0..<120).map { $0 < 20 ? nil : $0 < 80 ? UInt8(4) : 1 }
            #expect(keys.map { held(server, $0) } == expected)
        }
        server.stop()
    }
}
