import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// Writes of a key that meet older ones of it on their way.
struct WritesOnTheWayTests {
    private let scene = Scene()

    @Test func `a write made while its older version is in flight arrives after it`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            try? await node.put("k", [2])
        }
        #expect(await node.push().backlog.changes == 0)
        #expect(try scene.value("k") == [2])
        #expect(try scene.record("k")?.version == node.local.file.rows[CacheKey("k")]?.version)
        #expect(node.outcomes.applied == 1 && node.local.file.superseded == 1)
    }

    @Test func `the same where the reply to the older one is lost, however long the outage`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        try await node.put("other", [1])
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            try? await node.put("k", [2])
        }
        scene.remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: true)
        await node.push()
        #expect(try scene.value("k") == [1])
        scene.remote.setOutage(Scene.away)
        await node.push()
        scene.pass(.seconds(300))
        scene.remote.setOutage(nil)
        #expect(await node.push().backlog.changes == 0)
        // It is late, and what it finds is known: its own older value.
        #expect(try scene.value("k") == [2])
        #expect(node.outcomes.applied == 2)
        #expect(node.outcomes.foreign == 0)
    }

    @Test func `the same where the records are gone by then`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            try? await node.put("k", [2])
        }
        scene.remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: true)
        await node.push()
        scene.pass(.seconds(300))
        scene.remote.held.buckets = [:]
        scene.remote.setOutage(nil)
        await node.push()
        #expect(try scene.value("k") == [2])
        #expect(node.outcomes.foreign == 0)
    }

    @Test(arguments: [false, true])
    func `a delete followed by a write leaves the value, whether or not the delete was sent`(isSent: Bool) async throws
    {
        let node = scene.node(1)
        try await node.put("k", [1])
        await node.push()
        try await node.delete("k")
        if isSent {
            await node.push()
            #expect(try scene.value("k") == nil)
            #expect(try scene.record("k")?.kind == .tombstone)
        }
        try await node.put("k", [2])
        scene.pass(.seconds(30))
        await node.push()
        #expect(try scene.value("k") == [2])
        #expect(try scene.record("k")?.kind == .value)
    }

    @Test func `a write followed by a delete in flight leaves nothing`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            try? await node.delete("k")
        }
        await node.push()
        #expect(try scene.value("k") == nil)
        #expect(try scene.record("k")?.kind == .tombstone)
    }

    @Test func `a late delete does not delete what was written after it`() async throws {
        let (early, late) = (scene.node(1), scene.node(2))
        try await early.put("k", [1])
        await early.push()
        try await early.delete("k")
        scene.pass(.seconds(60))
        try await late.put("k", [2])
        await late.push()
        await early.push()
        #expect(try scene.value("k") == [2])
        #expect(early.outcomes.stale == 1)
        #expect(try early.value("k") == [2])
    }

    @Test func `a deleted key does not come back through a late put of another node`() async throws {
        let (early, late) = (scene.node(1), scene.node(2))
        try await early.put("k", [1])
        scene.pass(.seconds(60))
        try await late.put("k", [2])
        await late.push()
        try await late.delete("k")
        await late.push()
        await early.push()
        #expect(try scene.value("k") == nil)
        #expect(try early.value("k") == nil)
        #expect(early.outcomes.stale == 1)
    }

    // MARK: Expired before it was sent

    @Test func `a write that expires before it is sent leaves a tombstone where there was nothing`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1], life: .seconds(10))
        scene.pass(.seconds(60))
        await node.push()
        #expect(node.outcomes.expired == 1)
        #expect(try scene.value("k") == nil)
        // Or an older write of another node would come to life after it.
        #expect(try scene.record("k")?.kind == .tombstone)
    }

    @Test func `a write that expires before it is sent takes the older value of this node with it`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1], life: .seconds(3_600))
        await node.push()
        try await node.put("k", [2], life: .seconds(10))
        scene.pass(.seconds(60))
        await node.push()
        #expect(node.outcomes.expired == 1)
        #expect(try scene.value("k") == nil)
        #expect(try scene.record("k")?.kind == .tombstone)
    }

    @Test func `a write that expires before it is sent leaves what somebody else wrote meanwhile`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1], life: .seconds(3_600))
        await node.push()
        try await node.put("k", [2], life: .seconds(10))
        scene.pass(.seconds(60))
        try scene.writeForeign("k", [9])
        await node.push()
        #expect(node.outcomes.expired == 1)
        #expect(try scene.value("k") == [9])
    }
}
