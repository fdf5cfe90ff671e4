import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

extension RedisStore {
    /// All keys that begin so, and in how many steps they came.
    func allKeys(_ prefix: String) async throws -> (keys: [String], steps: Int) {
        var keys: [String] = []
        var steps = 0
        var cursor: RemoteKeyCursor?
        repeat {
            let page = try await self.keys(withPrefix: prefix, after: cursor)
            keys += page.keys.map(\.string)
            cursor = page.next
            steps += 1
        } while cursor != nil && steps < 1_000
        return (keys, steps)
    }
}

/// Listing the names that a server has.
@Suite(.timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct KeyScanTests {
    @Test func `all keys that begin so are listed in bounded steps, and nothing else`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let store = try makeStore(server.url)
        let names = (0..<5_000).map { "a*b[\\]?:\($0)" }
        _ = try await store.write(try names.map { try put($0, [1]) })
        _ = try await store.write(try ["aXb[\\]?:1", "aXb", "a*b[\\]", "z"].map { try put($0, [1]) })
        _ = server.ask("HSET ckv:1 f v")
        _ = server.ask("SET ckv:2 v")
        _ = server.ask("LPUSH a*b[\\]?:list v")
        let (keys, steps) = try await store.allKeys("a*b[\\]?:")
        #expect(Set(keys) == Set(names) && keys.count >= names.count)
        #expect(steps >= 4)
        let page = try await store.keys(withPrefix: "", after: nil)
        #expect(page.keys.count < 2_000 && page.next != nil)
        #expect(Set(try await store.allKeys("").keys).count == 5_004)
        #expect(try await store.allKeys("nothing").keys.isEmpty)
    }

    @Test func `a place means nothing to a server that was started again`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let store = try makeStore(server.url)
        _ = try await store.write(try (0..<3_000).map { try put("k\($0)", [1]) })
        let next = try #require(try await store.keys(withPrefix: "k", after: nil).next)
        #expect(try await store.keys(withPrefix: "k", after: next).keys.count > 0)
        try await server.restart()
        _ = await eventually { (try? await store.ping()) != nil }
        #expect(await code { _ = try await store.keys(withPrefix: "k", after: next) } == .remoteNotReady)
        let nonsense = RemoteKeyCursor(bytes: [1, 2, 3])
        #expect(await code { _ = try await store.keys(withPrefix: "k", after: nonsense) } == .remoteNotReady)
    }

    @Test func `a user who may not INFO may list keys, and one who may not SCAN is told`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        let store = try makeStore(server.url)
        _ = try await store.write([try put("k1", [1])])
        _ = server.ask("ACL SETUSER lister on >x ~* +scan +hello +auth")
        _ = server.ask("ACL SETUSER reader on >x ~* +get +hello +auth")
        #expect(try await makeStore("redis://lister:x@127.0.0.1:\(server.port)").allKeys("k").keys == ["k1"])
        let reader = try makeStore("redis://reader:x@127.0.0.1:\(server.port)")
        #expect(await code { _ = try await reader.keys(withPrefix: "k", after: nil) } == .remoteAuthentication)
    }
}
