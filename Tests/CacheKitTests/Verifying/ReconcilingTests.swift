import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// Comparing everything that is held here with the remote.
struct ReconcilingTests {
    /// A cache whose rows are all settled, and another client of the same remote.
    private func makeWorld(_ names: [String]) async throws -> (World, Namespace<Int>, Namespace<Int>) {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(100))
        for name in names { try await numbers.set(1, for: name) }
        _ = await world.cache.push(deadline: .seconds(60))
        try #require(try await world.local.backlog().changes == 0)
        let other = try await World(Setting(hasRemote: true), beside: world)
        return (world, numbers, other.namespace("n", of: Int.self, ttl: .seconds(100)))
    }

    @Test func `what is newer is pulled, what is gone is dropped, what waits stays`() async throws {
        let (world, numbers, theirs) = try await makeWorld(["same", "newer", "gone", "damaged", "pending"])
        try await theirs.set(2, for: "newer")
        let gone = try numbers.key("gone")
        world.remote.held.cells[gone] = nil
        world.remote.held.buckets[world.remote.bucket(of: gone)]?.records[gone] = nil
        world.remote.put([1, 2, 3], for: try numbers.key("damaged"), expiresAt: nil)
        // What is not held here is not pulled.
        try await theirs.set(3, for: "elsewhere")
        try await numbers.set(5, for: "pending")
        let report = try await world.cache.reconcile()
        #expect(report.compared == 4)
        #expect(report.unchanged == 1)
        #expect(report.pulled == 1)
        #expect(report.dropped == 1)
        #expect(report.unopened == 1)
        #expect(report.pending == 1)
        #expect(report.next == nil)
        #expect(try await world.local.read([CacheKey("n:elsewhere")])[0] == nil)
        let reads = world.remote.reads
        #expect(try await numbers.get(["same", "newer", "pending"]) == ["same": 1, "newer": 2, "pending": 5])
        #expect(world.remote.reads == reads)
        #expect(try await numbers.get("gone") == nil)
        #expect(await world.cache.health().verification?.lastComparison == world.clock.now())
        // A second time there is nothing to do.
        let second = try await world.cache.reconcile()
        #expect(second.pulled == 0 && second.dropped == 0)
    }

    @Test func `until rows were compared they are unverified, as health says`() async throws {
        let (world, numbers, _) = try await makeWorld(["a", "b", "c"])
        #expect(await world.cache.health().verification?.unverifiedRows == 3)
        #expect(await world.cache.health().verification?.lastComparison == nil)
        try world.forget("n:a")
        #expect(try await numbers.get("a") == 1)
        #expect(await world.cache.health().verification?.unverifiedRows == 2)
        try await world.cache.reconcile()
        #expect(await world.cache.health().verification?.unverifiedRows == 0)
    }

    @Test func `a comparison that the remote's going away ends goes on where it was`() async throws {
        let (world, _, theirs) = try await makeWorld((0..<10).map { "k\($0)" })
        for index in 0..<10 { try await theirs.set(2, for: "k\(index)") }
        let first = try await world.local.heldRows(after: nil, limit: 4)
        let rest = try await world.cache.reconcile(from: first.next)
        #expect(rest.pulled == 6)
        // Only a whole one makes rows count as verified.
        #expect(await world.cache.health().verification?.lastComparison == nil)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        #expect(await code { try await world.cache.reconcile() } == .remoteUnavailable)
        world.remote.setOutage(nil)
        #expect(try await world.cache.reconcile().pulled == 4)
    }

    @Test func `comparing says what is there and changes nothing`() async throws {
        let (world, numbers, theirs) = try await makeWorld(["same", "foreign", "missing", "deleted", "lost"])
        try await numbers.delete("deleted")
        _ = await world.cache.push(deadline: .seconds(60))
        let before = world.local.file.sequenceOfRows
        try await theirs.set(2, for: "foreign")
        try await theirs.set(2, for: "deleted")
        let missing = try numbers.key("missing")
        world.remote.held.cells[missing] = nil
        let lost = try numbers.key("lost")
        world.remote.held.buckets[world.remote.bucket(of: lost)]?.records[lost] = nil
        for share in [0.0, 1.0] {
            let report = try await world.cache.compareWithRemote(opening: share)
            #expect(report.compared == 5)
            #expect(report.same == 1)
            #expect(report.sameWithoutRecord == 1)
            #expect(report.foreign == 1)
            #expect(report.missing == 1)
            #expect(report.notDeleted == 1)
            #expect(report.opened == (share == 0 ? 0 : 4))
            #expect(!report.isClean)
        }
        world.remote.put([UInt8](repeating: 1, count: 64), for: try numbers.key("same"), expiresAt: nil)
        #expect(try await world.cache.compareWithRemote(opening: 1).unopened == 1)
        #expect(world.local.file.sequenceOfRows == before)
    }

    @Test func `comparing is planned after a long absence, after an overflow, and now and then`() {
        var configuration = ReconcileConfiguration()
        configuration.spread = .seconds(10)
        var schedule = ReconcileSchedule(configuration)
        var gaps = 1
        var overflows = 0
        func due(_ seconds: Int, hearing: Bool = true) -> Bool {
            schedule.isDue(
                isHearing: hearing, gaps: gaps, overflows: overflows, uptime: .seconds(seconds), fraction: 0.5)
        }
        // The first time that changes are heard of: nobody knows for how long they were not.
        #expect(!due(0))
        #expect(!due(4))
        #expect(due(5))
        schedule.done(uptime: .seconds(6), isComplete: true)
        // A short absence leaves it to reading.
        gaps += 1
        #expect(!due(20))
        #expect(!due(40))
        // A long one does not.
        for second in 41..<140 { #expect(!due(second, hearing: false)) }
        gaps += 1
        #expect(!due(140))
        #expect(due(145))
        schedule.done(uptime: .seconds(150), isComplete: true)
        overflows += 1
        #expect(!due(160))
        #expect(due(165))
        schedule.done(uptime: .seconds(165), isComplete: true)
        #expect(!due(165 + 3_599))
        #expect(due(165 + 3_600))
        // What waited is compared soon.
        schedule.done(uptime: .seconds(4_000), isComplete: false)
        #expect(!due(4_059))
        #expect(due(4_060))
    }
}

extension SimulatedFile {
    fileprivate var sequenceOfRows: [CacheKey: ChangeSequence] { rows.mapValues(\.sequence) }
}
