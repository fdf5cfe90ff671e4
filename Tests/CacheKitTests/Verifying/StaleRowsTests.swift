import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// What checking against the remote does to rows that are kept beyond their life, or say that there is no value.
struct StaleRowsTests {
    private static let window = Duration.seconds(1_000)

    private func withWorld(_ body: (World, Namespace<Int>) async throws -> Void) async throws {
        let world = try await World(.allTiers)
        world.remote.setFollowing(.active)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            var policy = LoadingPolicy()
            policy.staleIfError = Self.window
            try await body(world, world.cache.namespace("n", of: Int.self, ttl: .seconds(100), loading: policy))
        }
    }

    private func row(_ world: World) async throws -> StoredEntry {
        try #require(try await world.local.read([CacheKey("n:a")])[0])
    }

    /// Writes the key here with a life and a time beyond it, and waits until the remote has it.
    private func writeHere(_ world: World, _ numbers: Namespace<Int>) async throws {
        try await numbers.set(1, for: "a")
        try world.forget("n:a")
        _ = await world.cache.push(deadline: .seconds(60))
        try #require(try await world.local.backlog().changes == 0)
    }

    @Test func `the life at the remote ends with the value's, not when it is no longer kept`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(world, numbers)
            let key = try numbers.key("a")
            #expect(world.remote.expiry(of: key) == world.clock.now().advanced(by: .seconds(100)))
            let bucket = world.remote.held.buckets[world.remote.bucket(of: key)]
            #expect(bucket?.records[key]?.expiresAt == world.clock.now().advanced(by: .seconds(100)))
        }
    }

    @Test func `a row that is stale stays so through a gap, and goes when somebody deletes the key`() async throws {
        try await withWorld { world, numbers in
            try await writeHere(world, numbers)
            world.clock.advance(by: .seconds(101))
            world.remote.tell(.everything)
            #expect(try await numbers.get("a") == nil)
            try await world.cache.reconcile()
            #expect(try await numbers.get("a") == nil)
            #expect(try await row(world).isStale(at: world.clock.now()))
            // As another node that writes versions.
            let key = try numbers.key("a")
            let version = Version(stamp: UInt64(world.clock.now().milliseconds) << 16, node: 9)
            let delete = VersionedWrite(
                key: key, action: .delete, version: version, fingerprint: .none, base: [], isLate: false,
                isTooOld: false,
                acceptsAbsence: true, isResend: false, recordExpiresAt: world.clock.now().advanced(by: .seconds(1_000)))
            _ = try await world.remote.push([
                BucketPush(
                    bucket: world.remote.bucket(of: key), writes: [delete], node: 9, expectedMark: 0, mark: 0,
                    recordsMayBeLost: false, now: world.clock.now())
            ])
            #expect(try await numbers.get("a") == nil)
            #expect(try await row(world).isTombstone)
        }
    }

    @Test func `what was read from the remote is kept as long beyond its life`() async throws {
        try await withWorld { world, numbers in
            let other = try await World(.remoteOnly, beside: world)
            try await other.namespace("n", of: Int.self, ttl: .seconds(50)).set(2, for: "a")
            #expect(try await numbers.get("a") == 2)
            let row = try await row(world)
            #expect(row.staleAt == world.clock.now().advanced(by: .seconds(50)))
            #expect(row.staleAt.duration(to: row.expiresAt) == Self.window)
        }
    }

    @Test func `a negative result is compared with nothing, sent to nobody, and gives way to a value`() async throws {
        try await withWorld { world, numbers in
            let key = try numbers.key("a")
            let change = LocalChange(
                key: key, value: [], form: .plain, mode: .native,
                expiresAt: world.clock.now().advanced(by: .seconds(60)), isNegative: true)
            // With a version above, as after a delete, so that a remote without it would be behind.
            let version = Version(stamp: UInt64(world.clock.now().milliseconds) << 16, node: 0)
            #expect(try await world.local.fill([RemoteFill(change: change, version: version, expected: nil)]) == [true])
            _ = await world.cache.push(deadline: .seconds(60))
            let report = try await world.cache.compareWithRemote(opening: 1)
            #expect(report.compared == 0 && report.unopened == 0)
            try await world.cache.reconcile()
            world.remote.tell(.everything)
            #expect(world.remote.held.cells[key] == nil)
            #expect(try await row(world).isNegative)
            let other = try await World(.remoteOnly, beside: world)
            try await other.namespace("n", of: Int.self).set(2, for: "a")
            world.remote.tell(.everything)
            try world.forget("n:a")
            #expect(try await numbers.get("a") == 2)
            #expect(try await !row(world).isNegative)
        }
    }

    @Test func `a loser that a person keeps has its tags, its life, and its time beyond that`() async throws {
        try await withWorld { world, numbers in
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            #expect(try await numbers.getOrSet("a", loading: { Loaded(1, tags: ["t"]) }) == 1)
            let lost = try await row(world)
            let winner = LocalChange(
                key: try numbers.key("a"), value: nil, form: .plain, mode: .native, expiresAt: world.clock.now())
            _ = try await world.local.resolve([Resolution(sequence: lost.sequence, winner: winner, loss: .foreign)])
            world.clock.advance(by: .seconds(10))
            _ = try await world.cache.settleConflicts([lost.sequence], keeping: .local(overwritesLocal: false))
            let kept = try await row(world)
            #expect(kept.staleAt == world.clock.now().advanced(by: .seconds(100)))
            #expect(kept.staleAt.duration(to: kept.expiresAt) == Self.window)
            let entry = try #require(MemoryEntry(kept))
            let attributes = try world.cache.sealer.opened(entry, key: numbers.key("a")).attributes
            #expect(attributes.tags == [try TagHash("t")])
        }
    }
}
