import CacheKit
import CacheKitTesting
import Testing

/// The way to Redis fails under load, in each way that it can.
@Suite(
    .serialized, .timeLimit(.minutes(5)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct OutageUnderLoadTests {
    enum Outage: CaseIterable {
        /// Every connection ends at once.
        case cut
        /// Nothing arrives, and nothing is answered.
        case blackHole
        /// What is sent takes effect; the replies are lost from some byte on, and some connections end with them.
        case lostReplies

        func faults(_ connection: Int, _ seed: UInt64) -> [Fault] {
            var random = SeededRandom(seed: seed &+ UInt64(connection))
            let position = Int.random(in: 100..<4000, using: &random)
            switch self {
            case .cut: return [.cut(.requests, after: 0)]
            case .blackHole: return [.swallow(.requests, after: 0)]
            case .lostReplies:
                return Bool.random(using: &random)
                    ? [.swallow(.replies, after: position)] : [.cut(.replies, after: position)]
            }
        }
    }

    @Test(arguments: Outage.allCases)
    func `everything acknowledged arrives after an outage under load`(_ outage: Outage) async throws {
        let seed = UInt64.random(in: 0 ... .max)
        let length = Duration.seconds(TestEffort.count(short: 3, long: 60))
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let proxy = try FaultProxy(to: server)
        let node = try await scene.node(proxy.url)
        let load = LoadOfWrites()
        try await node.running {
            try await load.run(node) {
                try await eventually("the first push") { try await node.syncStatus()?.outcomes.applied ?? 0 > 100 }
                proxy.setPlan { outage.faults($0, seed) }
                proxy.cutAll()
                // The length of the outage is what is tried.
                try await Task.sleep(for: length)
                proxy.setPlan { _ in [] }
                proxy.cutAll()
            }
            let status = try await node.settled()
            let expected = load.expected
            #expect(load.refused == 0)
            #expect(try await SyncScene.numbers(server.url, load.keys) == expected)
            // Keys that are written once have an outcome each; of the others, those that were on their way.
            let once = load.keys.count { $0.hasPrefix("once") }
            #expect(status.outcomes.applied >= load.keys.count, "\(status.outcomes)")
            #expect(status.outcomes.ended <= load.acknowledged, "\(status.outcomes)")
            #expect(!status.outcomes.hasTrouble && status.outcomes.resent == 0, "\(status.outcomes)")
            print(
                "\(outage), seed \(seed): \(load.acknowledged) changes acknowledged, \(once) of keys written once,",
                "\(status.outcomes.applied) applied, \(status.outcomes.superseded) superseded, \(proxy.connectionCount) connections"
            )
        }
        server.stop()
    }
}
