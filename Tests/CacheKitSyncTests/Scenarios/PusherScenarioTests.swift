import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitSync

/// More than one pusher, or a file in more than one place.
struct PusherScenarioTests {
    private let scene = Scene()

    private func pending(_ count: Int) async throws -> SimulatedFile {
        let node = scene.node(1)
        for number in 0..<count { try await node.put("k\(number)", [UInt8(number)]) }
        return node.local.file
    }

    @Test func `two pushers without a lease are wasteful, not wrong`() async throws {
        let file = try await pending(40)
        let (first, second) = (scene.node(1, file: file), scene.node(1, file: file))
        await first.push()
        let held = scene.remote.held
        await second.push()
        #expect(scene.remote.held.cells == held.cells)
        #expect(scene.remote.held.buckets == held.buckets)
        #expect(second.outcomes.applied == 40)
        #expect(first.local.file.node == second.local.file.node)
    }

    @Test func `two pushers that send the same at the same moment apply it once`() async throws {
        let file = try await pending(40)
        let first = scene.node(1, file: file) { $0.batchChanges = 10 }
        let second = scene.node(1, file: file) { $0.batchChanges = 7 }
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            await second.push()
        }
        #expect(await first.push().backlog.changes == 0)
        #expect(scene.remote.count == 40)
        for number in 0..<40 { #expect(try scene.value("k\(number)") == [UInt8(number)]) }
        #expect(first.outcomes.stale + second.outcomes.stale == 0)
        #expect(first.outcomes.applied == 40)
        #expect(second.outcomes.applied == 40)
    }

    @Test func `of two engines on one store one pushes and the other stands by`() async throws {
        let node = scene.node(1)
        let other = SyncEngine(
            .plain(node.local, scene.remote, node.clock, node.log.logger), SyncConfiguration())
        for number in 0..<10 { try await node.put("k\(number)", [1]) }
        let activities = Notes<SyncStatus.Activity>()
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            activities.add(await other.drain(deadline: .seconds(5), retrying: false).activity)
        }
        #expect(await node.push().backlog.changes == 0)
        #expect(activities.all == [.standby])
        #expect(scene.remote.batches == 1)
    }

    // MARK: A copied file

    @Test func `a copied file is found by a mark that it did not leave, and both nodes' changes arrive`() async throws {
        let original = scene.node(1)
        for number in 0..<4 { try await original.put("k\(number)", [0]) }
        await original.push()
        let copy = scene.node(1, file: original.local.file)
        for number in 0..<20 { try await original.put("o\(number)", [1]) }
        await original.push()
        scene.pass(.seconds(1))
        for number in 0..<20 { try await copy.put("c\(number)", [2]) }
        await copy.push()
        try await copy.put("more", [3])
        await copy.push()
        #expect(copy.local.file.node != original.local.file.node)
        #expect(copy.log.texts(.warning).count == 1)
        for number in 0..<20 {
            #expect(try scene.value("o\(number)") == [1])
            #expect(try scene.value("c\(number)") == [2])
        }
        #expect(try scene.value("more") == [3])
        #expect(await copy.push().backlog.changes == 0)
        // Under a new id nothing is known of any bucket: what the file holds is sent again once.
        #expect(copy.outcomes.resent >= 4)
    }

    @Test func `one version for two values is a clash, which the copy ends by another id`() async throws {
        let original = scene.node(1)
        try await original.put("k", [0])
        await original.push()
        let copy = scene.node(1, file: original.local.file)
        // At the same moment, from the same place of the same clock: the same version.
        try await original.put("k", [1])
        try await copy.put("k", [2])
        #expect(
            original.local.file.rows[try CacheKey("k")]?.version == copy.local.file.rows[try CacheKey("k")]?.version)
        await original.push()
        await copy.push()
        #expect(copy.local.file.node != original.local.file.node)
        let won = try #require(try scene.value("k"))
        #expect(won == [1] || won == [2])
        #expect(copy.outcomes.applied + copy.outcomes.stale == 1)
        // They agree as soon as the loser looks.
        #expect(try copy.value("k") == won)
    }

    @Test func `a restored backup goes on under another id, and does not undo what came after it`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        await node.push()
        let backup = node.local.file
        scene.pass(.seconds(60))
        try await node.put("k", [2])
        try await node.put("l", [2])
        await node.push()
        scene.pass(.seconds(60))
        let restored = scene.node(1, file: backup)
        restored.engine.suspectLoss()
        await restored.push()
        #expect(restored.local.file.node != 1)
        #expect(try scene.value("k") == [2])
        try await restored.put("l", [3])
        await restored.push()
        #expect(try scene.value("l") == [3])
    }
}
