import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// A remote that lost what it had.
struct LossScenarioTests {
    private let scene = Scene()

    /// A node that has pushed 30 keys.
    private func node(_ adjust: (inout SyncConfiguration) -> Void = { _ in }) async throws -> Node {
        let node = scene.node(1, adjust)
        for number in 0..<30 { try await node.put("k\(number)", [UInt8(number)]) }
        await node.push()
        return node
    }

    private func missing() throws -> [Int] {
        try (0..<30).filter { try scene.value("k\($0)") != [UInt8($0)] }
    }

    private func drive(_ condition: () throws -> Bool) async rethrows -> Bool {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if try condition() { return true }
            for _ in 0..<20 { await Task.yield() }
            scene.pass(.milliseconds(500))
        }
        return false
    }

    @Test func `a remote restarted from yesterday's dump gets back what came since`() async throws {
        let node = try await node()
        let dump = scene.remote.held
        scene.pass(.seconds(60))
        for number in 20..<30 { try await node.put("k\(number)", [100]) }
        try await node.delete("k0")
        try await node.put("new", [7])
        await node.push()
        scene.remote.held = dump
        node.engine.suspectLoss()
        await node.push()
        #expect(try scene.value("k0") == nil)
        #expect(try scene.value("new") == [7])
        #expect(try (20..<30).allSatisfy { try scene.value("k\($0)") == [100] })
        #expect(try (1..<20).allSatisfy { try scene.value("k\($0)") == [UInt8($0)] })
        #expect(node.outcomes.resent >= 12)
        #expect(try await node.engine.status().lostBuckets == 0)
        // Once is enough.
        let batches = scene.remote.batches
        node.engine.suspectLoss()
        await node.push()
        #expect(scene.remote.batches == batches)
    }

    @Test func `after a flush that is heard of everything is sent again, though nothing is pending`() async throws {
        let node = try await node()
        scene.remote.held = VersionedCells()
        await node.push()
        #expect(try missing().count == 30)
        node.engine.suspectLoss()
        await node.push()
        #expect(try missing() == [])
        #expect(node.outcomes.resent == 30)
        #expect(node.outcomes.applied == 30)
    }

    @Test func `after a flush with pending changes these arrive first, and what is lost follows`() async throws {
        let node = try await node()
        scene.remote.held = VersionedCells()
        try await node.put("k7", [77])
        await node.push()
        #expect(try scene.value("k7") == [77])
        // The bucket that was sent to is mended at once; the others when marks are compared.
        let bucket = scene.remote.bucket(of: try CacheKey("k7"))
        let back = try (0..<30).filter { scene.remote.bucket(of: try CacheKey("k\($0)")) == bucket && $0 != 7 }
        #expect(try missing().filter { $0 != 7 } == (0..<30).filter { $0 != 7 && !back.contains($0) })
        node.engine.suspectLoss()
        await node.push()
        #expect(try missing() == [7])
        #expect(try scene.value("k7") == [77])
    }

    @Test func `a flush that nobody tells of is found by comparing marks now and then`() async throws {
        let node = try await node()
        let run = Run(node.engine)
        #expect(await eventually { node.clock.sleeperCount == 1 })
        scene.remote.held = VersionedCells()
        #expect(try await drive { try missing().isEmpty })
        await run.end()
        #expect(node.outcomes.resent == 30)
    }

    @Test func `a second flush in the middle of sending again is mended, too`() async throws {
        let node = try await node { $0.batchChanges = 5 }
        scene.remote.held = VersionedCells()
        let writes = Notes<Int>()
        scene.remote.setWriteHook { [scene] in
            writes.add(1)
            if writes.all.count == 4 { scene.remote.held = VersionedCells() }
        }
        node.engine.suspectLoss()
        await node.push()
        #expect(writes.all.count > 4)
        #expect(try missing() == [])
        #expect(try await node.engine.status().lostBuckets == 0)
    }

    @Test func `an outage in the middle of sending again, and another process, change nothing`() async throws {
        let node = try await node { $0.batchChanges = 5 }
        scene.remote.held = VersionedCells()
        let writes = Notes<Int>()
        scene.remote.setWriteHook { [scene] in
            writes.add(1)
            if writes.all.count == 3 { scene.remote.setOutage(Scene.away) }
        }
        node.engine.suspectLoss()
        await node.push()
        #expect(try !missing().isEmpty)
        scene.remote.setWriteHook(nil)
        scene.remote.setOutage(nil)
        let next = scene.node(1, file: node.local.file)
        await next.push()
        #expect(try missing() == [])
        #expect(next.local.file.node == 1)
    }

    @Test func `an evicted bucket takes only its records, and its keys are written as if nobody had`() async throws {
        let node = try await node()
        let bucket = scene.remote.bucket(of: try CacheKey("k3"))
        try scene.writeForeign("k3", [9])
        scene.remote.held.buckets[bucket] = nil
        try await node.put("k3", [33])
        scene.pass(.seconds(30))
        await node.push()
        // Late and unlike anything known; but the record is lost, so it is no foreign write.
        #expect(try scene.value("k3") == [33])
        #expect(node.outcomes.foreign == 0)
        #expect(scene.remote.held.buckets[bucket]?.marks[1] != nil)
        let inBucket = try (0..<30).filter { scene.remote.bucket(of: try CacheKey("k\($0)")) == bucket }
        #expect(scene.remote.held.buckets[bucket]?.records.count == inBucket.count)
        #expect(try await node.engine.status().lostBuckets == 0)
    }

    @Test func `what another node wrote newer stands against what is sent again`() async throws {
        let node = try await node()
        scene.remote.held = VersionedCells()
        scene.pass(.seconds(60))
        let other = scene.node(2)
        try await other.put("k5", [55])
        await other.push()
        node.engine.suspectLoss()
        await node.push()
        #expect(try scene.value("k5") == [55])
        #expect(try missing() == [5])
    }

    @Test func `a loss that is trusted to the remote is not mended, and later changes are weighed as ever`()
        async throws
    {
        let node = try await node { $0.policy.lost = .trustRemote }
        scene.remote.held = VersionedCells()
        node.engine.suspectLoss()
        await node.push()
        #expect(scene.remote.count == 0)
        #expect(node.outcomes.resent == 0)
        try await node.put("k3", [33])
        await node.push()
        #expect(try scene.value("k3") == [33])
        let bucket = scene.remote.bucket(of: try CacheKey("k3"))
        #expect(scene.remote.held.buckets[bucket]?.marks[1] == MarkLedger.mark(of: 31))
        // A foreign write is told from a loss again, in this process and in the next.
        try scene.writeForeign("k3", [9])
        let next = scene.node(1, file: node.local.file) { $0.policy.lost = .trustRemote }
        try await next.put("k3", [34])
        scene.pass(.seconds(30))
        await next.push()
        #expect(next.outcomes.foreign == 1)
        #expect(try scene.value("k3") == [9])
    }
}
