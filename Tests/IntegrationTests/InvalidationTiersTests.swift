import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKit

/// A running cache hears of what others change in a real Redis.
@Suite(.serialized, .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct InvalidationTiersTests {
    /// The tiers below memory.
    enum Tiers: String, CaseIterable, Sendable {
        case redis
        case fileAndRedis
    }

    private struct World {
        let server: RedisServer
        let cache: Cache
        let numbers: Namespace<Int>
        /// Another client, which knows nothing of caches.
        let raw: RedisStore

        func command(_ words: String...) async throws { _ = try await raw.command(words.map { Array($0.utf8) }) }

        /// A small number is its own byte in MessagePack.
        func put(_ number: UInt8, _ key: String, _ options: String...) async throws {
            _ = try await raw.command(
                [Array("SET".utf8), Array("t:\(key)".utf8), [number]] + options.map { Array($0.utf8) })
        }

        func isHeld(_ key: String) throws -> Bool { cache.memoryEntry(for: try numbers.key(key)) != nil }

        /// Waits until everything that was changed before has been heard of: the server tells in order.
        func fence() async throws {
            try await put(1, "fence")
            try await eventually("holding the fence") {
                _ = try await numbers.get("fence")
                return try isHeld("fence")
            }
            try await put(2, "fence")
            try await eventually("the fence") { try !isHeld("fence") }
        }
    }

    private static func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen")
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    private func withWorld(_ tiers: Tiers, _ body: (World) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await RedisServer.start()
        let source = KeySource.key(try MasterKey(bytes: [UInt8](repeating: 7, count: 32)))
        let cache =
            switch tiers {
            case .redis: try await Cache(remote: .redis(server.unixURL), encryption: .plain)
            case .fileAndRedis:
                try await Cache(
                    local: .sqlite(path: folder.appending(path: "cache.db").path), remote: .redis(server.unixURL),
                    sync: .writeBehind(), encryption: .plain(fileKey: source))
            }
        let raw = try RedisStore(
            RedisConfiguration(server.url),
            context: RemoteStoreContext(logger: CacheConfiguration().logger, maximumValueBytes: 1 << 20))
        let world = World(
            server: server, cache: cache, numbers: cache.namespace("t", of: Int.self, mode: .interop), raw: raw)
        try await cache.running {
            try await Self.eventually("following") { await Self.isFollowing(cache) }
            try await body(world)
        }
        await raw.close()
        server.stop()
    }

    private static func isFollowing(_ cache: Cache) async -> Bool {
        if case .active = await cache.health().following { true } else { false }
    }

    /// How long it takes until a key that is held is held no longer.
    private func timeToDrop(_ key: String, in world: World, _ change: () async throws -> Void) async throws -> Duration
    {
        try await world.put(5, key)
        try await Self.eventually("holding") {
            _ = try await world.numbers.get(key)
            return try world.isHeld(key)
        }
        try await change()
        let began = ContinuousClock.now
        try await Self.eventually("dropping") { try !world.isHeld(key) }
        return began.duration(to: .now)
    }

    @Test(arguments: Tiers.allCases)
    func `what another client changes is gone from memory within a second, and read anew`(_ tiers: Tiers) async throws {
        try await withWorld(tiers) { world in
            var times: [String: Duration] = [:]
            times["SET"] = try await timeToDrop("a", in: world) { try await world.put(6, "a") }
            #expect(try await world.numbers.get("a") == 6)
            times["DEL"] = try await timeToDrop("b", in: world) { try await world.command("DEL", "t:b") }
            #expect(try await world.numbers.get("b") == nil)
            times["PEXPIRE"] = try await timeToDrop("c", in: world) {
                try await world.command("PEXPIRE", "t:c", "60000")
            }
            times["expiry"] = try await timeToDrop("d", in: world) { try await world.command("PEXPIRE", "t:d", "1") }
            times["FLUSHALL"] = try await timeToDrop("e", in: world) { try await world.command("FLUSHALL") }
            #expect(try await world.numbers.get("e") == nil)
            #expect(await Self.isFollowing(world.cache))
            times["eviction"] = try await timeToDrop("f", in: world) {
                try await world.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
                try await world.command("CONFIG", "SET", "maxmemory", "1")
            }
            print("dropped from memory (\(tiers)):", times.mapValues { "\($0)" })
            for (what, time) in times { #expect(time < .seconds(1), "\(what)") }
        }
    }

    @Test func `what this cache pushes is heard of once, and right whenever it is read`() async throws {
        // A script's writes are told to its own node, too: the tracking of Redis can't tell whose script it was.
        try await withWorld(.fileAndRedis) { world in
            for round in 0..<3 {
                for key in 0..<100 { try await world.numbers.set(round, for: "\(key)") }
                _ = await world.cache.push(deadline: .seconds(20))
                try await world.fence()
                for key in 0..<100 { #expect(try await world.numbers.get("\(key)") == round) }
                #expect(try (0..<100).allSatisfy { try world.isHeld("\($0)") })
            }
            #expect(world.cache.statistics().invalidatedKeys <= 320)
            #expect(world.cache.statistics().remoteHits <= 320)
        }
    }

    @Test func `what this cache writes through stays in memory`() async throws {
        try await withWorld(.redis) { world in
            for round in 0..<3 {
                for key in 0..<100 { try await world.numbers.set(round, for: "\(key)") }
                _ = await world.cache.push(deadline: .seconds(20))
                try await world.fence()
                #expect(try (0..<100).allSatisfy { try world.isHeld("\($0)") })
            }
            #expect(world.cache.statistics().invalidatedKeys < 20)
        }
    }

    @Test(arguments: Tiers.allCases)
    func `two nodes see each other's writes`(_ tiers: Tiers) async throws {
        try await withWorld(tiers) { world in
            let other = try await Cache(remote: .redis(world.server.url), encryption: .plain)
            let theirs = other.namespace("t", of: Int.self, mode: .interop)
            try await other.running {
                try await Self.eventually("following") { await Self.isFollowing(other) }
                for round in 0..<20 {
                    try await theirs.set(round, for: "a")
                    try await Self.eventually("their write") { try await world.numbers.get("a") == round }
                }
                try await world.numbers.set(100, for: "b")
                _ = await world.cache.push(deadline: .seconds(20))
                try await Self.eventually("our write") { try await theirs.get("b") == 100 }
                try await world.numbers.set(101, for: "b")
                _ = await world.cache.push(deadline: .seconds(20))
                try await Self.eventually("our second write") { try await theirs.get("b") == 101 }
            }
        }
    }

    @Test(arguments: Tiers.allCases)
    func `after the subscription was cut what is held is read once before it is served`(_ tiers: Tiers) async throws {
        try await withWorld(tiers) { world in
            try await world.put(5, "a")
            try await world.put(5, "b")
            try await Self.eventually("holding") {
                _ = try await world.numbers.get(["a", "b"])
                return try world.isHeld("a") && world.isHeld("b")
            }
            // The write comes before anybody can have subscribed again, so it is never told.
            try await world.command("CLIENT", "KILL", "TYPE", "pubsub")
            try await world.put(6, "a")
            try await Self.eventually("seeing the gap") { try !world.isHeld("b") }
            try await Self.eventually("following") { await Self.isFollowing(world.cache) }
            #expect(try await world.numbers.get("a") == 6)
            #expect(try await world.numbers.get("b") == 5)
            let hits = world.cache.statistics().remoteHits
            try await Self.eventually("holding again") {
                _ = try await world.numbers.get(["a", "b"])
                return try world.isHeld("a") && world.isHeld("b")
            }
            #expect(world.cache.statistics().remoteHits <= hits + 2)
        }
    }

    @Test(arguments: Tiers.allCases)
    func `what is held is served while Redis is away, and asked for when it is back`(_ tiers: Tiers) async throws {
        try await withWorld(tiers) { world in
            try await world.put(5, "a")
            // What is told of this write would take away what was read since.
            try await world.fence()
            try await Self.eventually("holding") {
                _ = try await world.numbers.get("a")
                return try world.isHeld("a")
            }
            world.server.kill9()
            try await Self.eventually("seeing the loss") { await !Self.isFollowing(world.cache) }
            #expect(try await world.numbers.get("a") == 5)
            #expect(await world.cache.health().warnings.contains { $0.contains("not heard of") })
            try await world.server.restart()
            try await Self.eventually("the other client") { (try? await world.put(6, "a")) != nil }
            try await Self.eventually("the new value") { try await world.numbers.get("a") == 6 }
            try await Self.eventually("following") { await Self.isFollowing(world.cache) }
        }
    }

    @Test(arguments: Tiers.allCases)
    func `a value from Redis is kept for what remains of its life, however often it is read`(
        _ tiers: Tiers
    ) async throws {
        try await withWorld(tiers) { world in
            try await world.put(5, "a", "PX", "2000")
            let end = ContinuousClock.now + .milliseconds(2000)
            var last = ContinuousClock.now
            var fills = 0
            try await Self.eventually("the end of its life") {
                // Each round fills memory anew, as after an eviction there: a life that began anew would never end.
                if try world.isHeld("a") { fills += 1 }
                let hash = Hash128(try world.numbers.key("a"))
                world.cache.memory.shard(hash).remove(hash)
                guard try await world.numbers.get("a") != nil else { return true }
                last = .now
                return false
            }
            // The coarse clock and the server's own are off by a few milliseconds.
            #expect(last < end + .milliseconds(100))
            #expect(last > end - .milliseconds(500))
            #expect(fills > 10)
        }
    }

    /// One node that writes and reads; with a file below memory it only reads, because what it wrote stays in the file.
    private func work(_ numbers: Namespace<Int>, seed: UInt64, writes: Bool) async {
        var random = SeededRandom(seed: seed)
        for _ in 0..<TestEffort.count(short: 300, long: 10_000) {
            let key = "\(Int.random(in: 0..<20, using: &random))"
            let choice = Int.random(in: 0..<10, using: &random)
            // A cut in the middle is an error of that call only.
            if writes, choice < 4 {
                let value = Int.random(in: 0..<100, using: &random)
                try? await numbers.set(value, for: key)
            } else if writes, choice == 4 {
                try? await numbers.delete(key)
            } else {
                _ = try? await numbers.get(key)
            }
        }
    }

    @Test(arguments: Tiers.allCases)
    func `nodes agree with Redis after writes, deletes, flushes and cuts in any order`(_ tiers: Tiers) async throws {
        let seed = UInt64.random(in: .min ... .max)
        print("seed \(seed) (\(tiers))")
        try await withWorld(tiers) { world in
            let other = try await Cache(remote: .redis(world.server.url), encryption: .plain)
            let theirs = other.namespace("t", of: Int.self, mode: .interop)
            let nodes = [world.numbers, theirs]
            try await other.running {
                await withTaskGroup(of: Void.self) { group in
                    for worker in 0..<8 {
                        let writes = worker % 2 == 1 || tiers == .redis
                        group.addTask { await work(nodes[worker % 2], seed: seed &+ UInt64(worker), writes: writes) }
                    }
                    group.addTask {
                        var random = SeededRandom(seed: seed &- 1)
                        for round in 0..<TestEffort.count(short: 60, long: 1_000) {
                            let key = "\(Int.random(in: 0..<20, using: &random))"
                            switch Int.random(in: 0..<12, using: &random) {
                            case 0: try? await world.command("FLUSHALL")
                            case 1: try? await world.command("CLIENT", "KILL", "TYPE", "pubsub")
                            case 2: try? await world.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                            case 3...5: try? await world.command("DEL", "t:\(key)")
                            default: try? await world.put(UInt8(round % 100), key)
                            }
                            try? await Task.sleep(for: .milliseconds(3))
                        }
                    }
                }
                for cache in [world.cache, other] {
                    try await Self.eventually("following") { await Self.isFollowing(cache) }
                }
                // What would be held wrongly now would be held for an hour.
                for key in 0..<20 {
                    for node in nodes {
                        try await Self.eventually("agreement on \(key), seed \(seed)") {
                            let expected = try await world.raw.command([Array("GET".utf8), Array("t:\(key)".utf8)])
                            return try await node.get("\(key)").map { RESPValue.bulkString([UInt8($0)]) } ?? .null
                                == expected
                        }
                    }
                }
            }
        }
    }
}
