import CacheKit
import CacheKitRedis
import CacheKitTesting
import Testing

/// The promises of a remote store, on one server and, in an extension, on a Cluster.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct RemoteStoreConformanceTests {
    @Test func `the Redis store keeps the promises of a remote store`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        for check in RemoteStoreConformance.Check.allCases {
            _ = server.command("FLUSHALL")
            await check.run { try makeStore(server.unixURL) }
        }
    }

    @Test func `it keeps them behind a store that fails on demand`() async throws {
        let server = try await RedisServer.start()
        defer { server.stop() }
        for check in RemoteStoreConformance.Check.allCases {
            _ = server.command("FLUSHALL")
            await check.run { FailingRemoteStore(try makeStore(server.unixURL), clock: SystemClock()) }
        }
    }

    @Test func `it keeps them in a Cluster`() async throws {
        let cluster = try await RedisCluster.start()
        defer { cluster.stop() }
        for check in RemoteStoreConformance.Check.allCases {
            for master in cluster.masters { _ = master.command("FLUSHALL") }
            await check.run { try makeStore(cluster.url) }
        }
    }
}

extension RemoteStoreConformance.Check {
    /// Puts a store to this check; time passes by waiting, as the server's can't be moved.
    fileprivate func run(_ open: () throws -> any RemoteStore) async {
        let conformance = RemoteStoreConformance { try? await Task.sleep(for: $0) }
        do {
            try await conformance.run(self, on: open())
        } catch {
            Issue.record("\(rawValue): \(String(reflecting: error))")
        }
    }
}
