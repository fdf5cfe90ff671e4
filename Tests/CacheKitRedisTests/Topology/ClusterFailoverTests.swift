import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// A Cluster of its own, in which a master dies.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct ClusterFailoverTests {
    /// Redis itself loses writes that a master acknowledged and its replica had not got when the master died. So what is
    /// held against the load are writes of which `WAIT` said that the replica has them.
    @Test func `a master's death under load loses nothing that was replicated, and no call hangs`() async throws {
        let cluster = try await RedisCluster.start(nodeTimeout: .seconds(1), failsOver: true)
        defer { cluster.stop() }
        let store = try makeStore(cluster.url) {
            $0.commandTimeout = .seconds(3)
            $0.maximumBackoff = .milliseconds(100)
        }
        let load = try CountingLoad(store, keys: (0..<200).map { "death\($0)" }, waitsForReplica: true)
        let victim = cluster.slots(ofMaster: 0)
        let orphan = try #require(load.keys.firstIndex { victim.contains(HashSlot(of: $0.string).number) })
        try await load.run(writers: 3, readers: 3) {
            #expect(await eventually { load.acknowledged(orphan) > 1 })
            cluster.masters[0].kill9()
            // Written again to the one who took over; it has no replica, so not acknowledged in the sense of this test.
            #expect(await eventually { await code { _ = try await store.write([try put("death-after", [1])]) } == nil })
            #expect(
                await eventually {
                    guard let read = try? await store.read([load.keys[orphan]]) else { return false }
                    return read[0] != nil
                })
            #expect(
                await eventually {
                    cluster.replicas[0].command("INFO", "replication")?.text?.contains("role:master") == true
                })
            #expect(
                await eventually { (try? await store.write([try put(load.keys[orphan].string + "-", [1])]).count) == 1 }
            )
        }
        let findings = load.findings
        #expect(findings.wrong == 0 && findings.lost == 0, "\(findings)")
        let typed: Set<CacheError.Code> = [.remoteUnavailable, .remoteNotReady, .remoteTimeout, .mayHaveBeenApplied]
        #expect(Set(findings.failures.keys).isSubset(of: typed), "\(findings)")
        // Waiting and the last try have a commandTimeout each, connecting its own.
        #expect(findings.longest < .seconds(12), "\(findings)")
        #expect(!(try await store.topology.masters()).contains(.tcp(host: "127.0.0.1", port: cluster.masters[0].port)))
    }
}
