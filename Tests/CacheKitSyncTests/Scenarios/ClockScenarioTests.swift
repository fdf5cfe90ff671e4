import CacheKit
import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKitSync

/// Machines whose clocks are wrong.
struct ClockScenarioTests {
    private let scene = Scene()

    enum Moment: CaseIterable, Sendable { case before, during, after }

    static let jumps = Moment.allCases.flatMap { moment in
        [Scene.year, .zero - Scene.year].map { (moment, $0) }
    }

    private func expectNothingPoisoned() {
        let latest = scene.time.now().advanced(by: .seconds(1))
        for bucket in scene.remote.held.buckets.values {
            for record in bucket.records.values { #expect(record.version.time <= latest) }
        }
    }

    @Test(arguments: jumps)
    func `a clock that jumps a year poisons nothing, is learned, and loses to later writes`(
        moment: Moment, jump: Duration
    ) async throws {
        let (jumper, other) = (scene.node(1), scene.node(2))
        try await jumper.put("k", [1])
        await jumper.push()
        if moment == .before { jumper.clock.jump(by: jump) }
        scene.remote.setOutage(Scene.away)
        try await jumper.put("k", [2])
        await jumper.push()
        if moment == .during { jumper.clock.jump(by: jump) }
        scene.pass(.seconds(60))
        try await jumper.put("k", [3])
        scene.remote.setOutage(nil)
        await jumper.push()
        if moment == .after { jumper.clock.jump(by: jump) }
        scene.pass(.seconds(1))
        try await jumper.put("l", [4])
        await jumper.push()
        expectNothingPoisoned()
        #expect(jumper.corrected.now() == scene.time.now())
        // A later write of a node that was right all along wins, and then a later one of the jumper.
        scene.pass(.seconds(1))
        try await other.put("k", [5])
        try await other.put("l", [5])
        await other.push()
        #expect(try scene.value("k") == [5])
        #expect(try scene.value("l") == [5])
        scene.pass(.seconds(1))
        try await jumper.put("k", [6])
        await jumper.push()
        #expect(try scene.value("k") == [6])
        #expect(other.outcomes.stale == 0)
    }

    @Test func `a write stamped a year ahead keeps its life`() async throws {
        let node = scene.node(1, skew: Scene.year)
        try await node.put("k", [1], life: .seconds(100))
        await node.push()
        #expect(scene.remote.expiry(of: try CacheKey("k")) == scene.time.now().advanced(by: .seconds(100)))
        #expect(try node.value("k") == [1])
        scene.pass(.seconds(101))
        #expect(try node.value("k") == nil)
    }

    @Test(arguments: [Scene.year, .zero - Scene.year, .seconds(-200)])
    func `a write after a jump lives as long as it says, before the remote is asked for its time again`(
        jump: Duration
    ) async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        await node.push()
        node.clock.jump(by: jump)
        try await node.put("k", [2], life: .seconds(100))
        scene.pass(.seconds(1))
        // And back, as somebody does who sees it.
        node.clock.jump(by: .zero - jump)
        try await node.put("l", [3], life: .seconds(100))
        await node.push()
        #expect(node.outcomes.applied == 3 && node.outcomes.expired == 0)
        #expect(scene.remote.expiry(of: try CacheKey("k")) == scene.time.now().advanced(by: .seconds(99)))
        #expect(scene.remote.expiry(of: try CacheKey("l")) == scene.time.now().advanced(by: .seconds(100)))
        #expect(node.corrected.now() == scene.time.now())
    }

    @Test func `what was sent before a jump keeps its version`() async throws {
        let node = scene.node(1)
        try await node.put("k", [1])
        scene.remote.setOutage(CacheError(.mayHaveBeenApplied, "lost"), afterApplying: true)
        await node.push()
        let version = try scene.record("k")?.version
        scene.remote.setOutage(nil)
        node.clock.jump(by: .zero - Scene.year)
        await node.push()
        #expect(try scene.record("k")?.version == version)
        #expect(node.outcomes.applied == 1)
    }

    @Test func `a clock that jumps while the remote is asked for its time is learned all the same`() async throws {
        let watched = WatchedRemote(scene.remote)
        let node = scene.node(1, through: watched)
        watched.setSurveyHook { node.clock.jump(by: Scene.year) }
        try await node.put("k", [1])
        await node.push()
        #expect(node.corrected.now() == scene.time.now())
        expectNothingPoisoned()
    }

    @Test func `the remote is asked for its time now and then while the feed never ends`() async throws {
        let watched = WatchedRemote(scene.remote)
        let node = scene.node(1, through: watched) { $0.batchChanges = 1 }
        // Many more than are on their way side by side: those share an answer.
        for number in 0..<40 { try await node.put("k\(number)", [1]) }
        scene.remote.setWriteHook { [scene] in scene.pass(.seconds(11)) }
        await node.push()
        #expect(watched.surveys >= 4)
    }

    @Test func `two nodes with clocks an hour apart agree on one value`() async throws {
        let (ahead, behind) = (scene.node(1, skew: .seconds(1_800)), scene.node(2, skew: .seconds(-1_800)))
        // Whoever has reached the remote once knows the time.
        await ahead.push()
        await behind.push()
        for round in UInt8(0)..<4 {
            let (first, second) = round % 2 == 0 ? (ahead, behind) : (behind, ahead)
            try await first.put("k", [round, 1])
            await first.push()
            scene.pass(.seconds(2))
            try await second.put("k", [round, 2])
            await second.push()
            #expect(try scene.value("k") == [round, 2])
            scene.pass(.seconds(2))
        }
    }

    // MARK: A device that boots in 1970

    private func device(_ adjust: (inout SyncConfiguration) -> Void = { _ in }) -> Node {
        scene.node(3, skew: .milliseconds(-scene.time.now().milliseconds), adjust)
    }

    @Test func `what a device wrote in 1970 has expired by the time it learns the time`() async throws {
        let device = device()
        try await device.put("k", [1])
        await device.push()
        #expect(device.outcomes.expired == 1)
        #expect(try scene.value("k") == nil)
        // From then on it is a node like any other.
        try await device.put("k", [2])
        await device.push()
        #expect(try scene.value("k") == [2])
        #expect(device.outcomes.applied == 1)
    }

    @Test func `where pending keeps alive it is parked as too old, because nothing tells the key's history`()
        async throws
    {
        let device = device { $0.policy.pendingKeepsAlive = true }
        try await device.put("k", [1])
        await device.push()
        #expect(device.outcomes.parked == 1)
        #expect(device.local.file.parked.map(\.reason) == [.tooOld])
        #expect(try scene.value("k") == nil)
        #expect(device.log.texts(.warning).count == 1)
        // Not sent again by itself.
        scene.remote.held = VersionedCells()
        device.engine.suspectLoss()
        await device.push()
        #expect(try scene.value("k") == nil)
    }

    @Test(arguments: [false, true])
    func `it loses to anything newer`(isDeleted: Bool) async throws {
        let node = scene.node(1)
        try await node.put("k", [9])
        await node.push()
        if isDeleted {
            try await node.delete("k")
            await node.push()
        }
        let device = device { $0.policy.pendingKeepsAlive = true }
        try await device.put("k", [1])
        await device.push()
        #expect(device.outcomes.stale == 1)
        #expect(try scene.value("k") == (isDeleted ? nil : [9]))
        #expect(try device.value("k") == (isDeleted ? nil : [9]))
    }

    @Test func `it loses to a write without a version, too`() async throws {
        try scene.writeForeign("k", [9])
        let device = device { $0.policy.pendingKeepsAlive = true }
        try await device.put("k", [1])
        await device.push()
        #expect(device.outcomes.foreign == 1)
        #expect(try scene.value("k") == [9])
    }
}
