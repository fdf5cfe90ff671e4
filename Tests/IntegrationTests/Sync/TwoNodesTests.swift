import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Foundation
import Logging
import Testing

/// Two nodes write the same keys, while connections are cut.
@Suite(
    .serialized, .timeLimit(.minutes(5)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct TwoNodesTests {
    @Test func `two nodes that write the same keys converge on the highest version`() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        let keys = (0..<TestEffort.count(short: 100, long: 1000)).map { "k\($0)" }
        let end = ContinuousClock.now + .seconds(TestEffort.count(short: 3, long: 60))
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        var outcomes: [SyncOutcomes] = []
        try await withThrowingTaskGroup(of: SyncOutcomes.self) { group in
            for name in ["a", "b"] {
                group.addTask {
                    try await Self.write(scene, name, server, keys, until: end, seed: seed)
                }
            }
            for try await outcome in group { outcomes.append(outcome) }
        }
        // No trouble but with each other.
        for outcome in outcomes {
            #expect(outcome.ended == outcome.applied + outcome.superseded + outcome.stale, "\(outcomes)")
        }
        #expect(outcomes.reduce(0) { $0 + $1.stale } > 0, "the nodes never met: \(outcomes)")
        try await check(scene, server, keys)
        print("two nodes, seed \(seed): \(outcomes)")
        server.stop()
    }

    /// One node's part: writes numbers that say whose they are, over connections that are cut now and then.
    private static func write(
        _ scene: SyncScene, _ name: String, _ server: RedisServer, _ keys: [String],
        until end: ContinuousClock.Instant, seed: UInt64
    ) async throws -> SyncOutcomes {
        let own = seed &+ UInt64(name.utf8.first ?? 0)
        let proxy = try FaultProxy(to: server) { connection in
            var random = SeededRandom(seed: own &+ UInt64(connection))
            return [.randomCut(below: 1 << 17, using: &random)]
        }
        let node = try await scene.node(proxy.url, file: name)
        return try await node.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<3 {
                    group.addTask {
                        var random = SeededRandom(seed: own &+ UInt64(writer) << 32)
                        let numbers = node.numbers
                        var number = 0
                        while ContinuousClock.now < end {
                            number += 1
                            let key = keys[Int.random(in: 0..<keys.count, using: &random)]
                            if number.isMultiple(of: 9) {
                                try await numbers.delete(key)
                            } else {
                                try await numbers.set(Int.random(in: 0...1 << 50, using: &random), for: key)
                            }
                            // What is on its way, too.
                            if number.isMultiple(of: 200) { proxy.cutAll() }
                        }
                    }
                }
                try await group.waitForAll()
            }
            proxy.setPlan { _ in [] }
            proxy.cutAll()
            return try await node.settled().outcomes
        }
    }

    /// For each key the record has the highest version that any node's row has, and the value is that row's.
    private func check(_ scene: SyncScene, _ server: RedisServer, _ keys: [String]) async throws {
        var rows: [String: [StoredEntry]] = [:]
        for name in ["a", "b"] {
            for change in try await scene.rows(name) { rows[change.key.string, default: []].append(change.entry) }
        }
        let context = RemoteStoreContext(logger: Logger(label: "test"), maximumValueBytes: 1 << 20)
        let remote = try #require(try await SyncScene.redis(server.url).openRemoteStore(context))
        let physical = try keys.map { try CacheKey("\(SyncScene.namespace):\($0)") }
        let views = try await remote.inspect(physical)
        #expect(views.count == keys.count)
        var wrong = 0
        for (key, view) in zip(physical, views) {
            let own = rows[key.string]?.filter { $0.origin == .local } ?? []
            let last = own.max { $0.version < $1.version }
            let isRight =
                view.record?.version == last?.version && view.entry?.value == last?.value
                && (view.record?.kind == .tombstone) == (last?.isTombstone ?? false)
            if !isRight { wrong += 1 }
        }
        #expect(wrong == 0, "of so many keys Redis does not hold the highest version")
        await remote.close()
        // Through any node's way past its own tiers, the same is read.
        let first = try await SyncScene.numbers(server.url, keys)
        let second = try await SyncScene.numbers(server.unixURL, keys)
        #expect(first == second && !first.isEmpty)
    }
}
