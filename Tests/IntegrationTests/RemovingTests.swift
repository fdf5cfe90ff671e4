import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// Removals over a real Redis and real files.
@Suite(
    .serialized, .timeLimit(.minutes(5)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct RemovingTests {
    private static func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen")
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    private static func hears(_ cache: Cache) async throws {
        try await eventually("following") { if case .active = await cache.health().following { true } else { false } }
    }

    private static func users(_ cache: Cache) -> Namespace<Int> {
        cache.namespace("users", of: Int.self, ttl: .seconds(1000))
    }

    @Test func `nodes that run, one that was away, and another process on a file hear of removals`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        // It reads what there is, and is away while it is removed.
        let away = try await scene.node(server.url, file: "away")
        let one = try await scene.node(server.url, file: "one")
        try await one.running {
            let users = Self.users(one)
            for number in 0..<20 { try await users.set(number, for: "\(number)", tags: ["t\(number % 2)"]) }
            _ = await one.push(deadline: .seconds(10))
            try await away.running {
                try await Self.hears(away)
                for number in 0..<20 { #expect(try await Self.users(away).get("\(number)") == number) }
            }
            let other = try await scene.node(server.url, file: "other")
            // A cache without a remote, as another process on the same file may be.
            let beside = try await Cache(local: .sqlite(path: scene.path("one")), encryption: SyncScene.encryption())
            try await other.running {
                try await beside.running {
                    for cache in [one, other] { try await Self.hears(cache) }
                    let handles = [users, Self.users(other), Self.users(beside)]
                    for handle in handles { #expect(try await handle.get("1") == 1) }
                    let changes = handles.map { $0.changes() }

                    try await users.removeAll(tagged: "t1")
                    #expect(try await users.get(["0", "1"]) == ["0": 0])
                    for handle in handles {
                        try await Self.eventually("a tag's removal") { try await handle.get("1") == nil }
                        #expect(try await handle.get("0") == 0)
                    }
                    for told in changes {
                        for await change in told {
                            if case .removedTagged = change { break }
                            if change == .everything { break }
                        }
                    }

                    // By the process that pushes nothing: the other one on the file does.
                    try await handles[2].removeAll()
                    for handle in handles {
                        try await Self.eventually("a namespace's removal") { try await handle.get("0") == nil }
                        #expect(try await handle.get((0..<20).map(String.init)).isEmpty)
                    }
                    try await Self.users(other).set(100, for: "0", tags: ["t1"])
                    try await Self.eventually("what was set after it") { try await users.get("0") == 100 }
                }
            }
        }
        let again = try await scene.node(server.url, file: "away")
        #expect(try await Self.users(again).get((0..<20).map(String.init)) == ["0": 100])
        await again.shutdown(deadline: .zero)
        server.stop()
    }

    @Test func `a removal made while Redis is away reaches the others when it is back, by whoever opens the file next`()
        async throws
    {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let one = try await scene.node(server.url, file: "one")
        let other = try await scene.node(server.url, file: "other")
        try await other.running {
            try await Self.hears(other)
            try await Self.users(one).set(1, for: "a")
            _ = await one.push(deadline: .seconds(10))
            #expect(try await Self.users(other).get("a") == 1)
            await one.shutdown(deadline: .zero)
            let offline = try await Cache(local: .sqlite(path: scene.path("one")), encryption: SyncScene.encryption())
            try await Self.users(offline).removeAll()
            #expect(try await Self.users(offline).get("a") == nil)
            await offline.shutdown(deadline: .zero)
            #expect(try await Self.users(other).get("a") == 1)
            let again = try await scene.node(server.url, file: "one")
            _ = await again.push(deadline: .seconds(10))
            try await Self.eventually("the removal") { try await Self.users(other).get("a") == nil }
            await again.shutdown(deadline: .zero)
        }
        server.stop()
    }

    @Test func `a marker that is deleted in Redis comes back`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let one = try await scene.node(server.url, file: "one")
        let raw = try RedisStore(
            SyncScene.redis(server.url),
            context: RemoteStoreContext(logger: CacheConfiguration().logger, maximumValueBytes: 1 << 20))
        let name = Array(RemovalMarker("users", .all).key.string.utf8)
        func isThere() async throws -> Bool {
            try await raw.command([Array("EXISTS".utf8), name]) == .integer(1)
        }
        try await one.running {
            try await Self.hears(one)
            try await Self.users(one).set(1, for: "a")
            try await Self.users(one).removeAll()
            try await Self.eventually("the marker") { try await isThere() }
            _ = try await raw.command([Array("DEL".utf8), name])
            try await Self.eventually("the marker again") { try await isThere() }
            _ = try await raw.command([Array("FLUSHALL".utf8)])
            try await Self.eventually("the marker after a flush") { try await isThere() }
        }
        await raw.close()
        server.stop()
    }

    @Test func `an interop namespace is removed from file and Redis`() async throws {
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let one = try await scene.node(server.url, file: "one")
        let raw = try RedisStore(
            SyncScene.redis(server.url),
            context: RemoteStoreContext(logger: CacheConfiguration().logger, maximumValueBytes: 1 << 20))
        try await one.running {
            let shared = one.namespace("shared", of: Int.self, mode: .interop)
            let others = one.namespace("others", of: Int.self, mode: .interop)
            try await shared.set(Dictionary(uniqueKeysWithValues: (0..<300).map { ("\($0)", $0) }))
            try await others.set(1, for: "a")
            _ = await one.push(deadline: .seconds(10))
            for number in 0..<2000 {
                _ = try await raw.command([Array("SET".utf8), Array("shared:theirs:\(number)".utf8), [1]])
            }
            let removal = try await shared.removeAll()
            // Redis may name a key twice while its table changes; it is deleted and counted once.
            #expect(removal == Removal(deleted: 2300, isComplete: true))
            _ = await one.push(deadline: .seconds(10))
            var names: [String] = []
            var page = try await raw.keys(withPrefix: "shared:", after: nil)
            names += page.keys.map(\.string)
            while let next = page.next {
                page = try await raw.keys(withPrefix: "shared:", after: next)
                names += page.keys.map(\.string)
            }
            #expect(names.isEmpty)
            #expect(try await others.get("a") == 1)
        }
        await raw.close()
        server.stop()
    }

    @Test func `no removal goes for space, and what it removed does not come back`() async throws {
        let scene = try SyncScene()
        var file = SQLiteConfiguration(path: scene.path("small"))
        file.rowLimit = 50
        let cache = try await Cache(local: .sqlite(file), encryption: SyncScene.encryption())
        let users = Self.users(cache)
        try await users.set(1, for: "old", tags: ["t"])
        try await users.removeAll(tagged: "t")
        for number in 0..<300 {
            try await users.set(number, for: "\(number)")
            // Used all the while, unlike the marker.
            _ = try await cache.local?.read([users.key("old")])
        }
        let key = RemovalMarker("users", .tag(try TagHash("t"))).key
        #expect(try await cache.local?.read([key])[0]?.value != nil)
        #expect(try await cache.local?.statistics().entries ?? .max < 150)
        await cache.shutdown(deadline: .zero)
    }
}
