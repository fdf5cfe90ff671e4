import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// What is served past its life by a cache that hears of what happens in the remote, where a life that ends sounds like a change.
struct StaleFollowingTests {
    private static let isBatch = [false, true]

    /// A running cache with Redis alone, whose value of "k" has just ended unless the body says otherwise.
    private func withWorld(
        lived: Duration = .seconds(10), ttl: Duration = .seconds(10),
        _ body: (World, Namespace<Int>, CacheKey) async throws -> Void
    ) async throws {
        let world = try await World(.remoteOnly)
        world.remote.setFollowing(.active)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: ttl, loading: loading)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            try await numbers.set(1, for: "k")
            world.clock.advance(by: lived)
            try await body(world, numbers, numbers.key("k"))
        }
    }

    /// What is served although the loader fails; `nil` for its error.
    private func served(_ numbers: Namespace<Int>, isBatch: Bool) async -> Int? {
        guard isBatch else { return try? await numbers.getOrSet("k") { throw CacheError(.invalidArgument, "no") } }
        return try? await numbers.getOrSet(["k"]) { _ in throw CacheError(.invalidArgument, "no") }["k"]
    }

    /// Lets another node write the key.
    private func writeElsewhere(_ value: Int, in world: World) async throws {
        try await World(.remoteOnly, beside: world).namespace("n", of: Int.self, ttl: .seconds(10)).set(value, for: "k")
    }

    @Test(arguments: isBatch)
    func `that a life ended in the remote, too, does not take what its windows keep`(isBatch: Bool) async throws {
        try await withWorld { world, numbers, key in
            world.remote.tell(.keys([key]))
            #expect(await served(numbers, isBatch: isBatch) == 1)
            #expect(world.remote.reads > 0)
            let reads = world.remote.reads
            // It was asked for once: one key's next reader need not wait for that.
            #expect(await served(numbers, isBatch: false) == 1)
            #expect(world.remote.reads == reads)
        }
    }

    @Test(arguments: isBatch)
    func `it may be heard of a moment sooner than the life ends here`(isBatch: Bool) async throws {
        try await withWorld(lived: .milliseconds(9_990)) { world, numbers, key in
            _ = try await world.remote.write([RemoteWrite(key: key, action: .delete)])
            world.remote.tell(.keys([key]))
            #expect(try await numbers.get("k") == nil)
            #expect(await served(numbers, isBatch: isBatch) == 1)
        }
        try await withWorld(lived: .milliseconds(9_980)) { world, numbers, key in
            _ = try await world.remote.write([RemoteWrite(key: key, action: .delete)])
            world.remote.tell(.keys([key]))
            #expect(await served(numbers, isBatch: isBatch) == nil)
        }
    }

    @Test(arguments: isBatch)
    func `what another node wrote after the life is found, and not what it replaced`(isBatch: Bool) async throws {
        try await withWorld { world, numbers, key in
            try await writeElsewhere(2, in: world)
            world.remote.tell(.keys([key]))
            #expect(await served(numbers, isBatch: isBatch) == 2)
        }
    }

    @Test(arguments: isBatch)
    func `what was written after the life and deleted is not followed by what was there before`(
        isBatch: Bool
    ) async throws {
        try await withWorld { world, numbers, key in
            // The end of the life, and then the change.
            world.remote.tell(.keys([key]))
            world.remote.tell(.keys([key]))
            #expect(await served(numbers, isBatch: isBatch) == nil)
        }
    }

    @Test(arguments: isBatch)
    func `after a gap the remote is asked before anything old is served, and if it is away that is served`(
        isBatch: Bool
    ) async throws {
        try await withWorld(lived: .zero) { world, numbers, key in
            world.remote.tell(.everything)
            _ = try await world.remote.write([RemoteWrite(key: key, action: .delete)])
            world.clock.advance(by: .seconds(10))
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            #expect(await served(numbers, isBatch: isBatch) == 1)
            world.remote.setOutage(nil)
            world.clock.advance(by: .seconds(1))
            #expect(await served(numbers, isBatch: isBatch) == nil)
        }
    }

    @Test(arguments: isBatch)
    func `a change that is heard of minutes before a long life ends is no end of it`(isBatch: Bool) async throws {
        let ttl = Duration.seconds(30 * 86_400)
        try await withWorld(lived: ttl - .seconds(600), ttl: ttl) { world, numbers, key in
            world.remote.evict(key)
            world.remote.tell(.keys([key]))
            #expect(await served(numbers, isBatch: isBatch) == nil)
        }
    }

    @Test(arguments: [nil, 2])
    func `a touch does not bring back what was replaced while it was under way`(_ other: Int?) async throws {
        try await withWorld(lived: .milliseconds(9_995)) { world, numbers, key in
            world.remote.setWriteHook {
                world.remote.setWriteHook(nil)
                world.remote.evict(key)
                if let other { try? await writeElsewhere(other, in: world) }
                world.remote.tell(.keys([key]))
            }
            _ = try await numbers.touch("k")
            #expect(try await numbers.get("k") == other)
        }
    }

    @Test(arguments: isBatch)
    func `what a gap hid stays hidden though its neighbours are written meanwhile`(isBatch: Bool) async throws {
        try await withWorld(lived: .zero) { world, numbers, key in
            world.remote.tell(.everything)
            world.remote.evict(key)
            world.clock.advance(by: .seconds(10))
            world.remote.setReadHook {
                world.remote.setReadHook(nil)
                for number in 0..<5_000 { try? await numbers.set(number, for: "other\(number)") }
            }
            #expect(await served(numbers, isBatch: isBatch) == nil)
        }
    }

    @Test(arguments: isBatch)
    func `what was loaded is given though the remote refuses to take it`(isBatch: Bool) async throws {
        try await withWorld { world, numbers, _ in
            world.remote.setOutage(.refused, on: .writes)
            let loaded =
                if isBatch {
                    try await numbers.getOrSet(["k"]) { _ in ["k": 2] }["k"]
                } else {
                    try await numbers.getOrSet("k") { 2 }
                }
            #expect(loaded == 2)
            #expect(world.cache.statistics().storeFailures == 1)
        }
    }

    @Test(arguments: [Setting.remoteOnly, .allTiers], isBatch)
    func `what is alive and what is past its life are served together by a remote that refuses`(
        setting: Setting, isBatch: Bool
    ) async throws {
        let world = try await World(setting)
        world.remote.setFollowing(.active)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            try await numbers.set(1, for: "k")
            try await numbers.set(2, for: "l", ttl: .seconds(100))
            _ = await world.cache.push(deadline: .seconds(5))
            world.clock.advance(by: .seconds(10))
            world.remote.tell(.everything)
            world.remote.setOutage(.refused)
            var found: [String: Int] = [:]
            if isBatch {
                found = try await numbers.getOrSet(["k", "l"]) { _ in throw CacheError(.invalidArgument, "no") }
            } else {
                for key in ["k", "l"] {
                    found[key] = try await numbers.getOrSet(key) { throw CacheError(.invalidArgument, "no") }
                }
            }
            #expect(found == ["k": 1, "l": 2])
        }
    }

    @Test(arguments: isBatch)
    func `a remote that refuses after a gap keeps nobody from what is served past its life`(isBatch: Bool) async throws
    {
        try await withWorld { world, numbers, key in
            world.remote.tell(.everything)
            world.remote.setOutage(CacheError(.remoteAuthentication, "no"))
            #expect(await served(numbers, isBatch: isBatch) == 1)
            // And what there is none of is an error, not a load.
            await #expect(throws: CacheError.self) { try await numbers.getOrSet("other") { 1 } }
            await #expect(throws: CacheError.self) { try await numbers.getOrSet(["k", "other"]) { _ in [:] } }
        }
    }
}
