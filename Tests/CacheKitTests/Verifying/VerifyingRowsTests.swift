import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// What reading an unverified row does to it, over simulated tiers.
struct VerifyingRowsTests {
    private func withWorld(_ body: (World, Namespace<Int>) async throws -> Void) async throws {
        let world = try await World(.allTiers)
        world.remote.setFollowing(.active)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            try await body(world, world.namespace("n", of: Int.self, ttl: .seconds(100)))
        }
    }

    /// Writes a key here and waits until the remote has it and nothing is left to be told.
    private func writeHere(_ value: Int, _ key: String, _ world: World, _ numbers: Namespace<Int>) async throws {
        try await numbers.set(value, for: key)
        _ = await world.cache.push(deadline: .seconds(60))
        try #require(try await world.local.backlog().changes == 0)
    }

    private func row(_ key: String, _ world: World) async throws -> StoredEntry {
        try #require(try await world.local.read([CacheKey("n:\(key)")])[0])
    }

    @Test func `a row that is unchanged stays as it is and is checked once`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(1, "a", world, numbers)
            let before = try await row("a", world)
            for invalidation in [RemoteInvalidation.everything, .keys([try numbers.key("a")])] {
                world.remote.tell(invalidation)
                let reads = world.remote.reads
                for _ in 0..<3 {
                    #expect(try await numbers.get("a") == 1)
                    try world.forget("n:a")
                }
                #expect(world.remote.reads == reads + 1)
                #expect(try await row("a", world).sequence == before.sequence)
            }
        }
    }

    @Test func `those who ask for an unverified key at the same time share one check`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(1, "a", world, numbers)
            world.remote.tell(.everything)
            let reads = world.remote.reads
            world.remote.setReadHook {
                _ = await eventually { world.cache.remoteReads.waiterCount == 50 }
            }
            let values = try await withThrowingTaskGroup(of: Int?.self) { group in
                for _ in 0..<50 { group.addTask { try await numbers.get("a") } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(values == [Int?](repeating: 1, count: 50))
            #expect(world.remote.reads == reads + 1)
        }
    }

    @Test func `a row written here that somebody else replaced since is read anew`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(1, "a", world, numbers)
            let other = try await World(Setting(hasRemote: true), beside: world)
            try await other.namespace("n", of: Int.self, ttl: .seconds(50)).set(2, for: "a")
            world.remote.tell(.keys([try numbers.key("a")]))
            #expect(try await numbers.get("a") == 2)
            let pulled = try await row("a", world)
            #expect(pulled.origin == .remote && pulled.version == .unknown)
            // Where the remote is away, the last that is known of it is served.
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            world.remote.tell(.everything)
            #expect(try await numbers.get("a") == 2)
        }
    }

    @Test func `a change that waits is served and kept whatever the remote has`() async throws {
        try await withWorld { world, numbers in
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"), afterApplying: false)
            try await numbers.set(1, for: "a")
            world.remote.put([0xC1], for: try numbers.key("a"), expiresAt: nil)
            world.remote.tell(.everything)
            try world.forget("n:a")
            #expect(try await numbers.get("a") == 1)
            #expect(try await row("a", world).origin == .local)
        }
    }

    @Test func `a change that was set aside is served and kept until somebody decides`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(100))
        try await numbers.set(1, for: "a")
        let change = try await row("a", world)
        try await world.local.settle(
            Settlement(
                through: change.sequence,
                deadLetters: [
                    DeadLetter(
                        sequence: change.sequence, key: try numbers.key("a"),
                        reason: CacheError(.remoteRejected, "too large"))
                ]))
        let other = try await World(Setting(hasRemote: true), beside: world)
        try await other.namespace("n", of: Int.self, ttl: .seconds(50)).set(2, for: "a")
        for _ in 0..<2 {
            try world.forget("n:a")
            #expect(try await numbers.get("a") == 1)
        }
        #expect(try await row("a", world).sequence == change.sequence)
    }

    @Test func `a life that was shortened there ends here too, also without the remote`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(1, "a", world, numbers)
            let key = try numbers.key("a")
            let end = world.clock.now().advanced(by: .seconds(10))
            world.remote.held.cells[key]?.expiresAt = end
            world.remote.tell(.keys([key]))
            #expect(try await numbers.get("a") == 1)
            #expect(try await row("a", world).expiresAt == end)
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            world.clock.advance(by: .seconds(10))
            #expect(try await numbers.get("a") == nil)
        }
    }

    @Test func `a remote that went back to an older version does not bring it here`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(1, "a", world, numbers)
            let earlier = world.remote.held
            try await writeHere(2, "a", world, numbers)
            world.remote.setReadHook { world.remote.held = earlier }
            world.remote.tell(.keys([try numbers.key("a")]))
            #expect(try await numbers.get("a") == 2)
            world.remote.held = earlier
            world.remote.tell(.keys([try numbers.key("a")]))
            #expect(try await numbers.get("a") == 2)
            world.remote.setReadHook(nil)
            // And it is given the newer one again.
            let key = try numbers.key("a")
            let document = earlier.cells[key]?.value
            #expect(await eventually { world.remote.value(of: key) != document })
        }
    }

    @Test func `what nobody else writes is not asked for, and stays when the remote loses it`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        var sync = SyncConfiguration()
        var policy = SyncPolicy()
        policy.isSingleWriter = true
        sync.namespacePolicies["n"] = policy
        var configuration = CacheConfiguration()
        configuration.clock = clock
        let cache = try await Cache(
            local: SimulatedLocalStore(clock: clock), remote: remote, sync: .writeBehind(sync),
            encryption: .secure(key: .keyring(World.keyring.get())), configuration: configuration)
        let numbers = cache.namespace("n", of: Int.self)
        try await numbers.set(1, for: "a")
        _ = await cache.push(deadline: .seconds(60))
        remote.held = VersionedCells()
        let reads = remote.reads
        let hash = Hash128(try numbers.key("a"))
        cache.memory.shard(hash).remove(hash)
        #expect(try await numbers.get("a") == 1)
        #expect(remote.reads == reads)
        #expect(try await cache.reconcile().dropped == 0)
        #expect(try await numbers.get("a") == 1)
        await cache.shutdown(deadline: .zero)
    }

    @Test func `a value is newer than the one of another node that it replaces, whose clock is ahead`() async throws {
        let world = try await World(.allTiers)
        let key = try CacheKey("n:a")
        let ahead = Version(stamp: UInt64(world.clock.now().advanced(by: .seconds(20)).milliseconds) << 16, node: 9)
        let change = LocalChange(
            key: key, value: [1], form: .plain, mode: .interop, expiresAt: world.clock.now().advanced(by: .seconds(90)))
        #expect(try await world.local.fill([RemoteFill(change: change, version: ahead, expected: nil)]) == [true])
        #expect(try await row("a", world).version == ahead)
        try await world.namespace("n", of: Int.self).set(1, for: "a")
        #expect(try await row("a", world).version > ahead)
    }
}
