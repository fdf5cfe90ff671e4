import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// What a dry run says is what happens.
struct ReplayForecastTests {
    private static let keys = (0..<12).map { "k\($0)" }

    @Test(arguments: ReplayOptions.Policy.allCases)
    func `a dry run changes nothing and counts what a replay then does`(_ policy: ReplayOptions.Policy) async throws {
        let seed = UInt64.random(in: .min ... .max)
        var seen = ReplayCounts()
        for number in 0..<UInt64(TestEffort.count(short: 60, long: 3_000)) {
            var random = SeededRandom(seed: seed &+ number)
            let scene = Scene()
            let node = try await spoilt(scene, &random)
            var options = ReplayOptions()
            options.policy = policy
            options.isDryRun = true
            var selection = ReplaySelection()
            selection.state = .all
            let (cells, buckets) = (scene.remote.held.cells, scene.remote.held.buckets)
            let rows = node.local.file.rows.mapValues(\.version)
            let forecast = try await node.replay(selection, options: options)
            #expect(scene.remote.held.cells == cells && scene.remote.held.buckets == buckets)
            #expect(node.local.file.rows.mapValues(\.version) == rows)
            #expect(try await node.local.replayNotes().isEmpty)
            #expect(forecast.isDryRun && forecast.isFinished && forecast.id == 0)
            options.isDryRun = false
            let report = try await node.replay(selection, options: options)
            #expect(report.isFinished)
            guard report.counts == forecast.counts else {
                Issue.record("seed \(seed &+ number): forecast \(forecast.counts), and then \(report.counts)")
                return
            }
            seen.add(report.counts)
        }
        // Each has its part, or nothing is shown.
        let common: [ReplayOutcome] = [.applied, .already, .expired, .tooOld, .failed]
        let lost: [ReplayOutcome] =
            switch policy {
            case .report: [.newer, .foreign, .absent]
            case .localWins: [.localWon]
            case .remoteWins: [.remoteWon]
            }
        for outcome in common + lost { #expect(seen[outcome] > 0, "seed \(seed): \(outcome) in \(seen)") }
    }

    /// A node with pushed, pending and old changes, on a remote that others have written, emptied and damaged.
    private func spoilt(_ scene: Scene, _ random: inout SeededRandom) async throws -> Node {
        let drops = Bool.random(using: &random)
        let node = scene.node(1) {
            $0.batchChanges = 5
            $0.policy.absent = drops ? .drop : .apply
        }
        let other = scene.node(2)
        for round in 0..<3 {
            for key in Self.keys {
                switch Int.random(in: 0..<8, using: &random) {
                case 0: try await node.delete(key)
                case 1, 2: break
                case 3: try await node.put(key, [UInt8(round)], life: .seconds(5))
                case 4, 5: try await node.put(key, [UInt8(round), 1], life: .seconds(60 * 86_400))
                default:
                    try await other.put(key, [UInt8(round), 2], life: .seconds(60 * 86_400))
                }
            }
            await node.push()
            if Bool.random(using: &random) { await other.push() }
            let day = 86_400
            scene.pass(.seconds([1, 60, 8 * day][Int.random(in: 0..<3, using: &random)]))
        }
        for key in Self.keys {
            let name = try CacheKey(key)
            switch Int.random(in: 0..<9, using: &random) {
            case 0: try scene.writeForeign(key, [77])
            case 1: try scene.writeForeign(key, nil)
            case 2: scene.remote.held.buckets[scene.remote.bucket(of: name)]?.records[name] = nil
            case 3:
                try scene.writeForeign(key, nil)
                scene.remote.held.buckets[scene.remote.bucket(of: name)]?.records[name] = nil
            case 4: scene.remote.held.cells[name] = VersionedCells.Cell(value: nil, expiresAt: nil)
            case 5: try await node.put(key, [42], life: .seconds(60))
            default: break
            }
        }
        return node
    }
}
