import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitSync

/// What the engine says and does beside carrying changes.
struct EngineUpkeepTests {
    private let scene = Scene()

    private func drive(_ step: Duration, times: Int = 1_000, _ condition: () -> Bool) async -> Bool {
        for _ in 0..<times {
            if condition() { return true }
            for _ in 0..<50 { await Task.yield() }
            scene.pass(step)
        }
        return condition()
    }

    private func sleeps(_ node: Node) async -> Bool { await eventually { node.clock.sleeperCount == 1 } }

    @Test func `records of values that ended more than a day ago are swept, others are kept`() async throws {
        let node = scene.node(1)
        for number in 0..<40 { try await node.put("k\(number)", [1], life: .seconds(60)) }
        try await node.put("lasting", [1], life: .seconds(30 * 86_400))
        try await node.delete("deleted")
        await node.push()
        func records() -> Int { scene.remote.held.buckets.values.reduce(0) { $0 + $1.records.count } }
        #expect(records() == 42)
        let run = Run(node.engine)
        #expect(await sleeps(node))
        scene.pass(.seconds(86_400))
        // Each bucket was looked at, and nothing ended a day ago.
        for _ in 0..<20 {
            #expect(await sleeps(node))
            scene.pass(.seconds(10))
            for _ in 0..<50 { await Task.yield() }
        }
        #expect(await drive(.seconds(10)) { records() == 2 })
        #expect(try scene.record("lasting") != nil)
        #expect(try scene.record("deleted") != nil)
        await run.end()
    }

    @Test func `a remote that may evict records is a warning, logged once`() async throws {
        let watched = WatchedRemote(scene.remote)
        let node = scene.node(1, through: watched)
        watched.setEvictsRecords(true)
        for number in 0..<3 {
            try await node.put("k\(number)", [1])
            await node.push()
            scene.pass(.seconds(20))
        }
        #expect(try await node.engine.status().warnings == [SyncEngine.evictionWarning])
        #expect(node.log.texts(.warning).count == 1)
        // Mended, it is a warning no more.
        watched.setEvictsRecords(false)
        try await node.put("k", [1])
        await node.push()
        #expect(try await node.engine.status().warnings.isEmpty)
    }

    @Test func `a remote that does not say whether it evicts is no warning`() async throws {
        let watched = WatchedRemote(scene.remote)
        let node = scene.node(1, through: watched)
        try await node.put("k", [1])
        await node.push()
        #expect(try await node.engine.status().warnings.isEmpty)
    }

    @Test func `nothing is asked of the remote while nothing is pending, but for marks now and then`() async throws {
        let watched = WatchedRemote(scene.remote)
        let node = scene.node(1, through: watched)
        try await node.put("k", [1])
        await node.push()
        let run = Run(node.engine)
        for _ in 0..<150 {
            #expect(await sleeps(node))
            scene.pass(.seconds(1))
        }
        #expect(await sleeps(node))
        await run.end()
        #expect((2...3).contains(watched.comparisons))
    }

    // MARK: The stall alarm

    @Test(arguments: [false, true])
    func `a remote that is away for long is an alarm where something is pending, and only there`(
        isPending: Bool
    ) async throws {
        let node = scene.node(1) { $0.longestBackoff = .seconds(1) }
        if isPending { try await node.put("k", [1]) }
        scene.remote.setOutage(Scene.away)
        let run = Run(node.engine)
        for _ in 0..<200 {
            #expect(await sleeps(node))
            scene.pass(.seconds(1))
        }
        #expect(node.log.texts(.error).isEmpty != isPending)
        await run.end()
    }

    @Test(arguments: [Scene.year, .zero - Scene.year])
    func `a clock that jumps neither gives the alarm nor puts it off`(jump: Duration) async throws {
        let node = scene.node(1) { $0.longestBackoff = .seconds(1) }
        try await node.put("k", [1])
        scene.remote.setOutage(Scene.away)
        let run = Run(node.engine)
        for second in 0..<100 {
            #expect(await sleeps(node))
            if second == 10 { node.clock.jump(by: jump) }
            if second == 30 { #expect(node.log.texts(.error).isEmpty) }
            scene.pass(.seconds(1))
        }
        #expect(node.log.texts(.error).count == 1)
        await run.end()
    }

    // MARK: Draining

    @Test func `a drain at its deadline settles what is in flight and leaves the rest`() async throws {
        let node = scene.node(1) { $0.batchChanges = 10 }
        for number in 0..<100 { try await node.put("k\(number)", [1]) }
        let batches = Notes<Int>()
        scene.remote.setWriteHook { [scene] in
            batches.add(1)
            if batches.all.count == 3 { scene.pass(.seconds(2)) }
        }
        let status = await node.engine.drain(deadline: .seconds(2), retrying: true)
        #expect(status.outcomes.applied >= 30)
        #expect(status.outcomes.applied + status.backlog.changes == 100)
        #expect(status.lastError == nil)
        await node.push()
        #expect(node.outcomes.applied == 100)
        #expect(scene.remote.batches == 10)
    }

    @Test func `a cancelled session whose store fails ends all the same`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        let tasks = Notes<Task<SyncStatus, Never>>()
        scene.remote.setWriteHook { [scene] in
            scene.remote.setWriteHook(nil)
            node.local.setOutage(.diskFull, on: .writes)
            while tasks.all.isEmpty { await Task.yield() }
            tasks.all.first?.cancel()
        }
        let task = Task { await node.push() }
        tasks.add(task)
        #expect(await task.value.backlog.changes == 1)
        node.local.setOutage(nil)
        await node.push()
        #expect(try scene.value("k") == [1])
        #expect(node.outcomes.applied == 1)
    }
}
