import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// What a cache does with what the remote tells of others' changes.
struct FollowingTests {
    static let settings = [Setting.remoteOnly, .allTiers]

    /// A running cache whose remote tells of changes.
    private func withWorld(_ setting: Setting, _ body: (World, Namespace<Int>) async throws -> Void) async throws {
        let world = try await World(setting)
        world.remote.setFollowing(.active)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            try await body(world, world.namespace("n", of: Int.self, ttl: .seconds(100)))
        }
    }

    /// Lets another node write a key.
    private func writeElsewhere(_ value: Int, _ key: String, in world: World) async throws -> CacheKey {
        let other = try await World(
            Setting(hasRemote: true, isSecure: world.setting.isSecure, mode: world.setting.mode), beside: world)
        let theirs = other.namespace("n", of: Int.self, ttl: .seconds(100))
        try await theirs.set(value, for: key)
        return try theirs.key(key)
    }

    @Test(arguments: settings)
    func `a key that another node changed is read from the remote again`(_ setting: Setting) async throws {
        try await withWorld(setting) { world, numbers in
            let key = try await writeElsewhere(1, "a", in: world)
            #expect(try await numbers.get("a") == 1)
            _ = try await writeElsewhere(2, "a", in: world)
            #expect(try await numbers.get("a") == 1)
            world.remote.tell(.keys([key]))
            #expect(world.cache.memoryEntry(for: key) == nil)
            #expect(try await numbers.get("a") == 2)
            let reads = world.remote.reads
            #expect(try await numbers.get("a") == 2)
            try world.forget("n:a")
            #expect(try await numbers.get("a") == 2)
            // From the local store where there is one: it was filled anew.
            #expect(world.remote.reads == (setting.hasLocal ? reads : reads + 1))
            #expect(world.cache.statistics().invalidatedKeys == 1)
        }
    }

    @Test(arguments: settings)
    func `a key that another node deleted is a miss`(_ setting: Setting) async throws {
        try await withWorld(setting) { world, numbers in
            let key = try await writeElsewhere(1, "a", in: world)
            #expect(try await numbers.get("a") == 1)
            _ = try await world.remote.write([RemoteWrite(key: key, action: .delete)])
            world.remote.tell(.keys([key]))
            #expect(try await numbers.get("a") == nil)
            // What the remote said once still holds when it is away.
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            #expect(try await numbers.get("a") == nil)
        }
    }

    @Test(arguments: settings)
    func `after a gap each entry is read from the remote once before it is served`(_ setting: Setting) async throws {
        try await withWorld(setting) { world, numbers in
            for name in ["a", "b", "c"] { _ = try await writeElsewhere(1, name, in: world) }
            #expect(try await numbers.get(["a", "b", "c"]) == ["a": 1, "b": 1, "c": 1])
            _ = try await writeElsewhere(2, "a", in: world)
            _ = try await world.remote.write([RemoteWrite(key: numbers.key("b"), action: .delete)])
            world.remote.tell(.everything)
            #expect(try await numbers.get("a") == 2)
            #expect(try await numbers.get("b") == nil)
            #expect(try await numbers.contains("c"))
            #expect(try await numbers.get(["a", "b", "c"]) == ["a": 2, "c": 1])
            let reads = world.remote.reads
            #expect(try await numbers.get(["a", "c"]) == ["a": 2, "c": 1])
            #expect(world.remote.reads == reads)
            #expect(world.cache.statistics().gaps == 1)
        }
    }

    @Test(arguments: settings)
    func `while the remote is away what is unverified is served, and asked for when it is back`(
        _ setting: Setting
    ) async throws {
        try await withWorld(setting) { world, numbers in
            _ = try await writeElsewhere(1, "a", in: world)
            #expect(try await numbers.get("a") == 1)
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            world.remote.tell(.everything)
            #expect(try await numbers.get("a") == 1)
            #expect(try await numbers.get(["a"]) == ["a": 1])
            #expect(try await numbers.contains("a"))
            // Nor does a refused password take away what is held; it is an error where nothing is.
            world.remote.setOutage(CacheError(.remoteAuthentication, "refused"))
            #expect(try await numbers.get("a") == 1)
            #expect(await code { _ = try await numbers.get("b") } == .remoteAuthentication)
            world.remote.setOutage(nil)
            _ = try await writeElsewhere(2, "a", in: world)
            #expect(try await numbers.get("a") == 2)
            // Time still ends it.
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            world.remote.tell(.everything)
            world.clock.advance(by: .seconds(101))
            #expect(try await numbers.get("a") == nil)
        }
    }

    @Test func `what somebody overwrote before it was known to be sent is read again from then on`() async throws {
        try await withWorld(.allTiers) { world, numbers in
            let (remote, cache) = (world.remote, world.cache)
            let read = Counter()
            // It has arrived, and this node does not know yet.
            remote.setWriteHook {
                remote.setWriteHook(nil)
                guard let key = try? await writeElsewhere(2, "a", in: world) else { return }
                remote.tell(.keys([key]))
                _ = await eventually { cache.statistics().invalidatedKeys > 0 }
                if (try? await numbers.get("a")) == 1 { read.add() }
            }
            try await numbers.set(1, for: "a")
            #expect(await eventually { (try? await cache.syncStatus()?.backlog.changes) == 0 })
            #expect(read.value == 1, "what waits is served")
            #expect(await eventually { (try? await numbers.get("a")) == 2 })
        }
    }

    @Test func `what somebody overwrote in a gap before it was known to be sent is soon read again`() async throws {
        try await withWorld(.allTiers) { world, numbers in
            let (remote, cache) = (world.remote, world.cache)
            let read = Counter()
            // It has arrived, this node does not know yet, and nobody tells it who came next.
            remote.setWriteHook {
                remote.setWriteHook(nil)
                guard let key = try? await writeElsewhere(2, "a", in: world) else { return }
                remote.tell(.everything)
                _ = await eventually { cache.statistics().gaps > 0 }
                if (try? await numbers.get("a")) == 1, cache.memoryEntry(for: key) != nil { read.add() }
            }
            try await numbers.set(1, for: "a")
            #expect(await eventually { (try? await cache.syncStatus()?.backlog.changes) == 0 })
            #expect(read.value == 1, "what waits is served, and is in memory")
            world.clock.advance(by: CacheConfiguration().coherenceInterval)
            #expect(await eventually { (try? await numbers.get("a")) == 2 })
        }
    }

    @Test func `what was written here stays in the local store whatever the remote tells`() async throws {
        try await withWorld(.allTiers) { world, numbers in
            // Once it was pushed, it is checked like all others.
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            try await numbers.set(1, for: "a")
            let reads = world.remote.reads
            world.remote.tell(.everything)
            #expect(try await numbers.get("a") == 1)
            world.remote.tell(.keys([try numbers.key("a")]))
            #expect(try await numbers.get("a") == 1)
            #expect(world.remote.reads == reads)
        }
    }

    @Test(arguments: settings)
    func `a read that was under way when the change was told does not keep what it found`(
        _ setting: Setting
    ) async throws {
        for invalidation in [RemoteInvalidation.everything, .keys([try CacheKey("n:a")])] {
            try await withWorld(setting) { world, numbers in
                _ = try await writeElsewhere(1, "a", in: world)
                world.remote.setReadHook {
                    world.remote.setReadHook(nil)
                    _ = try? await writeElsewhere(2, "a", in: world)
                    world.remote.tell(invalidation)
                }
                // Read before the change: a fair answer, and the last one of its kind.
                #expect(try await numbers.get("a") == 1)
                #expect(try await numbers.get("a") == 2)
                #expect(try await numbers.get("a") == 2)
            }
        }
    }

    @Test func `health tells whether changes are heard of`() async throws {
        let world = try await World(.remoteOnly)
        let error = CacheError(.remoteAuthentication, "not allowed")
        for (state, count) in [(RemoteFollowing.active, 0), (.idle, 1), (.lost(error), 1), (.refused(error), 1)] {
            world.remote.setFollowing(state)
            let health = await world.cache.health()
            #expect(health.warnings.count == count)
            #expect("\(health.following)".prefix(4) == "\(state)".prefix(4))
        }
    }
}
