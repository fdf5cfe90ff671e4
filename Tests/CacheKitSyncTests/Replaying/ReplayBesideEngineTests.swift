import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitSync

/// Replays while the same node and others write, push, and lose what the remote had.
struct ReplayBesideEngineTests {
    private let scene = Scene()
    private static let keys = (0..<6).map { "k\($0)" }

    @Test func `a change that is overtaken on its way stays behind`() async throws {
        let busy = BusyRemote(scene.remote)
        let node = scene.node(1, through: busy)
        try await node.put("k", [1])
        await node.push()
        scene.pass(.seconds(60))
        scene.remote.held = VersionedCells()
        busy.beforeNextPush {
            _ = try? await node.put("k", [2])
            await node.push()
        }
        let report = try await node.replay()
        #expect(report.counts[.superseded] == 1 && report.counts.examined == 1)
        #expect(try scene.value("k") == [2])
    }

    @Test func `a replay that is cancelled while a batch is on its way waits for what comes of it`() async throws {
        let busy = BusyRemote(scene.remote)
        let node = scene.node(1, through: busy) { $0.batchChanges = 5 }
        for number in 0..<20 { try await node.put("k\(number)", [1]) }
        await node.push()
        scene.remote.held = VersionedCells()
        let task = Mutex<Task<ReplayReport, any Error>?>(nil)
        busy.beforeNextPush {
            while task.withLock({ $0 == nil }) { await Task.yield() }
            task.withLock { $0?.cancel() }
        }
        let replay = Task { try await node.replay() }
        task.withLock { $0 = replay }
        let report = try await replay.value
        #expect(!report.isFinished && report.error == nil)
        #expect(report.counts[.applied] == 5 && scene.remote.held.cells.count == 5)
        #expect(try await node.replay().counts[.applied] == 20)
    }

    @Test func `a batch that is not answered in time is cut until it is`() async throws {
        let busy = BusyRemote(scene.remote)
        let node = scene.node(1, through: busy)
        for number in 0..<64 { try await node.put("k\(number)", [1]) }
        await node.push()
        scene.remote.held = VersionedCells()
        busy.setMost(10)
        let report = try await node.replay()
        #expect(report.isFinished && report.counts[.applied] == 64)
        #expect(busy.pushed.dropFirst().prefix(4).elementsEqual([64, 32, 16, 8]), "\(busy.pushed)")
        // The link itself is at fault where one change takes too long.
        busy.setMost(0)
        let failed = try await node.replay()
        #expect(failed.error?.code == .remoteTimeout && failed.counts.examined == 0)
    }

    @Test func `whatever is replayed when, the newest version of each key is what remains`() async throws {
        let seed = UInt64.random(in: .min ... .max)
        for number in 0..<UInt64(TestEffort.count(short: 100, long: 10_000)) {
            var random = SeededRandom(seed: seed &+ number)
            let scene = Scene()
            let remotes = [BusyRemote(scene.remote), BusyRemote(scene.remote)]
            let nodes = remotes.enumerated().map { index, remote in
                scene.node(UInt64(index + 1), through: remote) { $0.batchChanges = 3 }
            }
            for _ in 0..<40 {
                let place = Int.random(in: 0..<2, using: &random)
                let key = Self.keys[Int.random(in: 0..<Self.keys.count, using: &random)]
                let (kind, byte) = (Int.random(in: 0..<10, using: &random), UInt8.random(in: 1...200, using: &random))
                try await act(kind, byte, key, nodes[place], nodes[1 - place], remotes[place], scene)
                scene.pass(.milliseconds(Int64.random(in: 1...20_000, using: &random)))
            }
            for node in nodes + nodes {
                node.engine.suspectLoss()
                await node.push()
            }
            for key in Self.keys {
                let rows = try nodes.compactMap { $0.local.file.rows[try CacheKey(key)] }.filter { $0.origin == .local }
                guard let newest = rows.max(by: { $0.version < $1.version }) else { continue }
                let record = try scene.record(key)
                let value = try scene.value(key)
                guard record?.version == newest.version, value == newest.value else {
                    Issue.record("seed \(seed &+ number), \(key): \(record as Any) \(value as Any), not \(newest)")
                    return
                }
            }
        }
    }

    private func act(
        _ kind: Int, _ byte: UInt8, _ key: String, _ node: Node, _ other: Node, _ remote: BusyRemote, _ scene: Scene
    ) async throws {
        switch kind {
        case 0, 1, 2: try await node.put(key, [byte], life: .seconds(5_000))
        case 3: try await node.delete(key)
        case 4, 5: await node.push()
        case 6: scene.remote.held = VersionedCells()
        case 7: _ = try await node.replay()
        case 8:
            // Its own engine goes on meanwhile.
            remote.beforeNextPush {
                _ = try? await node.put(key, [byte], life: .seconds(5_000))
                await node.push()
            }
            _ = try await node.replay()
        default:
            remote.beforeNextPush {
                _ = try? await other.put(key, [byte], life: .seconds(5_000))
                await other.push()
            }
            var selection = ReplaySelection()
            selection.state = .all
            _ = try await node.replay(selection)
        }
        // Where nothing was sent, a later push would wait for itself.
        remote.beforeNextPush(nil)
    }
}
