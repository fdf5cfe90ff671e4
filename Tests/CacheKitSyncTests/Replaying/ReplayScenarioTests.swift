import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitSync

/// What a replay does to a remote that lost, was spoilt, or has moved on.
struct ReplayScenarioTests {
    private let scene = Scene()

    /// A node that has pushed ten keys.
    private func node(_ adjust: (inout SyncConfiguration) -> Void = { _ in }) async throws -> Node {
        let node = scene.node(1, adjust)
        for number in 0..<10 { try await node.put("k\(number)", [UInt8(number)]) }
        await node.push()
        scene.pass(.seconds(60))
        return node
    }

    private func missing() throws -> [Int] {
        try (0..<10).filter { try scene.value("k\($0)") != [UInt8($0)] }
    }

    @Test func `a remote that lost everything gets it back, and the second time has it already`() async throws {
        let node = try await node()
        scene.remote.held = VersionedCells()
        let report = try await node.replay()
        #expect(report.isFinished && report.counts[.applied] == 10 && report.counts.examined == 10)
        #expect(try missing() == [])
        #expect(try scene.record("k3")?.version == node.local.file.rows[try CacheKey("k3")]?.version)
        #expect(try scene.record("k3")?.expiresAt == node.local.file.rows[try CacheKey("k3")]?.expiresAt)
        let again = try await node.replay()
        #expect(again.counts[.already] == 10 && again.counts.sent == 10)
        #expect(try await node.local.replayNotes().isEmpty)
    }

    @Test func `what somebody deleted by mistake is put back where its record still stands`() async throws {
        let node = try await node()
        try scene.writeForeign("k2", nil)
        try scene.writeForeign("k7", nil)
        let report = try await node.replay()
        #expect(report.counts[.applied] == 2 && report.counts[.already] == 8)
        #expect(try missing() == [])
    }

    @Test func `where the namespace's policy says that absence is meant, it stays`() async throws {
        let node = try await node { $0.policy.absent = .drop }
        try scene.writeForeign("k2", nil)
        #expect(try await node.replay().counts[.absent] == 1)
        #expect(try missing() == [2])
        var options = ReplayOptions()
        options.policy = .localWins
        #expect(try await node.replay(options: options).counts[.applied] == 1)
        #expect(try missing() == [])
    }

    @Test func `marks are left as they are: the engine still finds what was lost, and nothing else`() async throws {
        let node = try await node()
        let marks = scene.remote.held.buckets.mapValues(\.marks)
        _ = try await node.replay()
        #expect(scene.remote.held.buckets.mapValues(\.marks) == marks)
        scene.remote.held = VersionedCells()
        _ = try await node.replay()
        #expect(scene.remote.held.buckets.allSatisfy { $0.value.marks.values.allSatisfy { $0 == 0 } })
        node.engine.suspectLoss()
        await node.push()
        #expect(node.outcomes.resent == 10)
        #expect(try await node.engine.status().lostBuckets == 0)
    }

    @Test func `deletes are sent again with their versions, and older copies that came back go`() async throws {
        let node = try await node()
        let dump = scene.remote.held
        try await node.delete("k4")
        await node.push()
        scene.pass(.seconds(60))
        scene.remote.held = dump
        let report = try await node.replay()
        #expect(report.counts[.applied] == 1 && report.counts[.already] == 9)
        #expect(try scene.value("k4") == nil)
        #expect(try scene.record("k4")?.kind == .tombstone)
    }

    @Test func `what is newer at the remote stays, and is no conflict`() async throws {
        let node = try await node()
        let other = scene.node(2)
        try await other.put("k5", [50])
        await other.push()
        let report = try await node.replay()
        #expect(report.counts[.newer] == 1 && report.counts[.already] == 9 && report.counts.conflicts == 0)
        #expect(try scene.value("k5") == [50])
    }

    @Test func `what somebody wrote without a version stays and is reported`() async throws {
        let node = try await node()
        try scene.writeForeign("k5", [99])
        for _ in 0..<2 {
            let report = try await node.replay()
            #expect(report.counts[.foreign] == 1 && report.counts.conflicts == 1)
        }
        #expect(try scene.value("k5") == [99])
        #expect(try node.value("k5") == [5])
    }

    @Test func `where local wins it replaces what is there, newer or foreign`() async throws {
        let node = try await node()
        let other = scene.node(2)
        try await other.put("k5", [50])
        await other.push()
        try scene.writeForeign("k6", [99])
        var options = ReplayOptions()
        options.policy = .localWins
        let report = try await node.replay(options: options)
        #expect(report.counts[.localWon] == 2 && report.counts[.already] == 8)
        #expect(try missing() == [])
        #expect(try scene.record("k5")?.version == node.local.file.rows[try CacheKey("k5")]?.version)
        #expect(try await node.replay().counts[.already] == 10)
    }

    @Test func `where the remote wins it is taken over, and the loser kept`() async throws {
        let node = try await node()
        try scene.writeForeign("k6", [99])
        var options = ReplayOptions()
        options.policy = .remoteWins
        let report = try await node.replay(options: options)
        #expect(report.counts[.remoteWon] == 1)
        #expect(try node.value("k6") == [99])
        #expect(node.local.file.conflicts.map(\.change.entry.value) == [[6]])
        #expect(node.local.file.rows[try CacheKey("k6")]?.origin == .remote)
    }

    @Test func `what is over is not sent, and what came from the remote is not looked at`() async throws {
        let node = try await node()
        try await node.put("short", [1], life: .seconds(30))
        await node.push()
        try await node.local.fill([
            RemoteFill(
                change: LocalChange(
                    key: try CacheKey("theirs"), value: [1], form: .plain, mode: .native,
                    expiresAt: scene.time.now().advanced(by: .seconds(600))), expected: nil)
        ])
        scene.pass(.seconds(60))
        scene.remote.held = VersionedCells()
        let report = try await node.replay()
        #expect(report.counts[.expired] == 1 && report.counts[.applied] == 10 && report.counts.examined == 11)
        #expect(try scene.value("short") == nil && scene.value("theirs") == nil)
        #expect(try scene.record("short") == nil)
    }

    @Test func `values older than tombstones are sent only where the operator says so`() async throws {
        let node = scene.node(1)
        try await node.put("old", [1], life: .seconds(60 * 86_400))
        await node.push()
        scene.pass(.seconds(8 * 86_400))
        scene.remote.held = VersionedCells()
        #expect(try await node.replay().counts[.tooOld] == 1)
        #expect(try scene.value("old") == nil)
        var options = ReplayOptions()
        options.sendsTooOld = true
        #expect(try await node.replay(options: options).counts[.applied] == 1)
        #expect(try scene.value("old") == [1])
    }

    @Test func `filters choose by namespace, pattern, age and number`() async throws {
        let node = scene.node(1)
        for name in ["a:1", "a:2", "ab:1", "b:1"] { try await node.put(name, [1]) }
        scene.pass(.seconds(100))
        for name in ["a:3", "b:2"] { try await node.put(name, [1]) }
        await node.push()
        scene.pass(.seconds(100))
        func chosen(_ adjust: (inout ReplaySelection) -> Void) async throws -> [String] {
            scene.remote.held = VersionedCells()
            var selection = ReplaySelection()
            adjust(&selection)
            let report = try await node.replay(selection)
            let names = scene.remote.held.cells.keys.map(\.string).sorted()
            #expect(report.counts[.applied] == names.count && report.isFinished)
            #expect(report.counts.examined - report.counts[.notSelected] == names.count)
            return names
        }
        #expect(try await chosen { $0.namespace = "a" } == ["a:1", "a:2", "a:3"])
        #expect(try await chosen { $0.pattern = KeyPattern("*:[13]") } == ["a:1", "a:3", "ab:1", "b:1"])
        #expect(try await chosen { $0.olderThan = .seconds(150) } == ["a:1", "a:2", "ab:1", "b:1"])
        #expect(try await chosen { $0.newerThan = .seconds(150) } == ["a:3", "b:2"])
        #expect(
            try await chosen {
                $0.from = ChangeSequence(2)
                $0.through = ChangeSequence(4)
            } == ["a:2", "ab:1", "b:1"])
    }

    @Test func `namespaces with one writer are left out, because no version protects them`() async throws {
        let node = try await node { $0.policy.isSingleWriter = true }
        scene.remote.held = VersionedCells()
        #expect(try await node.replay().counts[.singleWriter] == 10)
        #expect(scene.remote.held.cells.isEmpty)
    }

    @Test func `pending changes go out with the lease only, and a push settles them`() async throws {
        let node = try await node()
        try await node.put("new", [7])
        var selection = ReplaySelection()
        selection.state = .pending
        let lease = try #require(try await node.local.acquirePusherLease())
        await #expect { try await node.replay(selection) } throws: { ($0 as? CacheError)?.code == .leaseHeld }
        // What was settled is nobody's in particular.
        #expect(try await node.replay().counts[.already] == 10)
        lease.release()
        let report = try await node.replay(selection)
        #expect(report.counts[.applied] == 1 && report.counts.examined == 1)
        #expect(try scene.value("new") == [7])
        #expect(try await node.local.backlog().changes == 1)
        #expect(await node.push().backlog.changes == 0)
        #expect(node.outcomes.applied == 11)
        #expect(node.outcomes.resent == 0)
        selection.state = .all
        #expect(try await node.replay(selection).counts[.already] == 11)
    }

    @Test func `a pending change from a clock that ran ahead is stamped anew before it is sent`() async throws {
        let node = scene.node(1, skew: Scene.year)
        try await node.put("k", [1], life: .seconds(600))
        var selection = ReplaySelection()
        selection.state = .pending
        #expect(try await node.replay(selection).counts[.applied] == 1)
        let version = try #require(try scene.record("k")).version
        #expect(version.time <= scene.time.now())
        #expect(try await node.local.sendingState().sentThrough == ChangeSequence(1))
    }
}

extension Node {
    func replay(_ selection: ReplaySelection = .init(), options: ReplayOptions = .init()) async throws -> ReplayReport {
        try await engine.replay(selection, options) { _ in }
    }
}
