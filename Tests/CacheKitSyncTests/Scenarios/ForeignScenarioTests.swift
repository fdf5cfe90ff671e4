import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// Writers without versions, newer writers with them, and what is left of the loser.
struct ForeignScenarioTests {
    private let scene = Scene()

    /// A node that has pushed `k`, then wrote it again while somebody else did, half a minute ago.
    private func late(
        foreign: [UInt8]?, _ policy: (inout SyncPolicy) -> Void = { _ in }
    ) async throws -> Node {
        var chosen = SyncPolicy()
        policy(&chosen)
        let node = scene.node(1) { [chosen] in $0.policy = chosen }
        try await node.put("k", [1])
        await node.push()
        try await node.put("k", [2])
        try scene.writeForeign("k", foreign)
        scene.pass(.seconds(30))
        await node.push()
        return node
    }

    @Test func `a fresh change is a write like any other`() async throws {
        let node = scene.node(1)
        try scene.writeForeign("k", [9])
        try await node.put("k", [2])
        await node.push()
        #expect(try scene.value("k") == [2])
    }

    @Test func `a late change gives way to a write without a version, which is taken over`() async throws {
        let node = try await late(foreign: [9])
        #expect(try scene.value("k") == [9])
        #expect(try node.value("k") == [9])
        #expect(node.local.file.rows[try CacheKey("k")]?.origin == .remote)
        #expect(node.outcomes.foreign == 1)
        #expect(node.local.file.conflicts.map(\.change.entry.value) == [[2]])
        #expect(node.local.file.conflicts.map(\.loss) == [.foreign])
    }

    @Test func `a foreign write that brings back an earlier value of this node is foreign all the same`() async throws {
        let node = scene.node(1)
        try await node.put("k", [0])
        await node.push()
        try await node.put("k", [1])
        await node.push()
        try await node.put("k", [2])
        try scene.writeForeign("k", [0])
        scene.pass(.seconds(30))
        await node.push()
        #expect(try scene.value("k") == [0])
        #expect(node.outcomes.foreign == 1)
    }

    @Test func `where local wins it replaces the write without a version`() async throws {
        let node = try await late(foreign: [9]) { $0.foreign = .localWins }
        #expect(try scene.value("k") == [2])
        #expect(node.outcomes.applied == 2)
        #expect(node.local.file.conflicts.isEmpty)
    }

    @Test func `where both go, a delete of this node's own follows`() async throws {
        let node = try await late(foreign: [9]) { $0.foreign = .invalidate }
        #expect(try scene.value("k") == nil)
        #expect(try scene.record("k")?.kind == .tombstone)
        #expect(try scene.record("k")?.version == node.local.file.rows[CacheKey("k")]?.version)
        #expect(try node.value("k") == nil)
        #expect(node.outcomes.foreign == 1)
        #expect(node.outcomes.applied == 2)
        #expect(try await node.engine.status().backlog.changes == 0)
    }

    @Test func `what is taken over never outlives what is left of it at the remote`() async throws {
        let node = try await late(foreign: [9])
        let row = try #require(node.local.file.rows[try CacheKey("k")])
        #expect(row.expiresAt <= (try #require(scene.remote.expiry(of: try CacheKey("k")))))
    }

    @Test func `a late change is written where the value is gone, unless the policy drops it`() async throws {
        let applied = try await late(foreign: nil)
        #expect(try scene.value("k") == [2])
        #expect(applied.outcomes.absent == 0)
    }

    @Test func `where absence drops, the change is given up and its row goes`() async throws {
        let node = try await late(foreign: nil) { $0.absent = .drop }
        #expect(try scene.value("k") == nil)
        #expect(try node.value("k") == nil)
        #expect(node.outcomes.absent == 1)
        #expect(node.local.file.conflicts.map(\.loss) == [.absent])
    }

    @Test func `where absence drops, a value whose time was over is no absence`() async throws {
        let node = scene.node(1) { $0.policy.absent = .drop }
        try await node.put("k", [1], life: .seconds(10))
        await node.push()
        try await node.put("k", [2])
        scene.pass(.seconds(30))
        await node.push()
        #expect(try scene.value("k") == [2])
        #expect(node.outcomes.absent == 0)
    }

    // MARK: Newer versions

    @Test func `a stale change takes the newer value over, and is kept for the report`() async throws {
        let (early, late) = (scene.node(1), scene.node(2))
        try await early.put("k", [1])
        scene.pass(.seconds(1))
        try await late.put("k", [2], life: .seconds(40))
        await late.push()
        await early.push()
        #expect(try scene.value("k") == [2])
        #expect(try early.value("k") == [2])
        #expect(early.outcomes.stale == 1)
        #expect(early.local.file.conflicts.map(\.change.entry.value) == [[1]])
        #expect(early.local.file.conflicts.map(\.loss) == [.stale])
        scene.pass(.seconds(41))
        #expect(try early.value("k") == nil)
    }

    @Test func `where local wins a stale change is given a version above the newer one`() async throws {
        let (early, late) = (scene.node(1) { $0.policy.stale = .localWins }, scene.node(2))
        try await early.put("k", [1])
        scene.pass(.seconds(1))
        try await late.put("k", [2])
        await late.push()
        let newer = try #require(try scene.record("k")).version
        await early.push()
        #expect(try scene.value("k") == [1])
        #expect(try #require(try scene.record("k")).version > newer)
        #expect(early.outcomes.applied == 1)
    }

    @Test func `a winner that can't be opened replaces nothing that lasts`() async throws {
        let node = try await late(foreign: [255, 255])
        #expect(try scene.value("k") == [255, 255])
        #expect(try node.value("k") == nil)
        let row = try #require(node.local.file.rows[try CacheKey("k")])
        #expect(row.isTombstone)
        #expect(row.expiresAt <= node.corrected.now())
        #expect(node.local.file.conflicts.map(\.change.entry.value) == [[2]])
    }

    @Test func `a change written while the remote was looked at stays, and goes out`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        await node.push()
        try await node.put("k", [2])
        try scene.writeForeign("k", [9])
        scene.pass(.seconds(30))
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            try? await node.put("k", [3])
        }
        await node.push()
        #expect(try scene.value("k") == [3])
        #expect(try node.value("k") == [3])
        #expect(node.local.file.superseded == 1)
        #expect(node.outcomes.foreign == 0)
    }

    // MARK: A value of another type

    @Test func `a value of another type in the middle of a batch stops nobody else`() async throws {
        let node = scene.node(1)
        for key in ["a", "b", "c"] { try await node.put(key, [1]) }
        scene.remote.held.cells[try CacheKey("b")] = VersionedCells.Cell(value: nil, expiresAt: nil)
        scene.pass(.seconds(30))
        for attempt in 1...3 {
            #expect(await node.push().backlog.changes == (attempt < 3 ? 3 : 0))
            #expect(try scene.value("a") == [1])
            #expect(try scene.value("c") == [1])
        }
        #expect(node.local.file.deadLetters.map(\.key.string) == ["b"])
        #expect(node.outcomes.deadLettered == 1)
        #expect(node.outcomes.applied == 2)
    }

    @Test func `what an earlier process wrote is late, and what this one writes is not`() async throws {
        let earlier = scene.node(1)
        scene.remote.setOutage(Scene.away)
        try await earlier.put("k", [1])
        try await earlier.put("l", [1])
        await earlier.push()
        scene.pass(.seconds(2))
        scene.remote.setOutage(nil)
        try scene.writeForeign("k", [9])
        try scene.writeForeign("m", [9])
        let node = scene.node(1, file: earlier.local.file)
        try await node.put("m", [2])
        await node.push()
        #expect(try scene.value("k") == [9])
        #expect(try scene.value("l") == [1])
        #expect(try scene.value("m") == [2])
        #expect(node.outcomes.foreign == 1 && node.outcomes.applied == 2)
    }
}
