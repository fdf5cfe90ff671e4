import CacheKit
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// However much waits, pushing it takes little memory.
@Suite(
    .serialized, .timeLimit(.minutes(15)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct BacklogMemoryTests {
    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/statm"), "there is no /proc"))
    func `a large backlog is pushed with less than 64 MiB of growth`() async throws {
        let count = TestEffort.count(short: 50_000, long: 1_000_000)
        let scene = try SyncScene()
        let server = try await RedisServer.start()
        let filler = try await Cache(local: .sqlite(path: scene.path("a")), encryption: SyncScene.encryption())
        let values = filler.namespace(SyncScene.namespace, of: [UInt8].self, ttl: .seconds(86_400))
        let value = [UInt8](repeating: 5, count: 200)
        for start in stride(from: 0, to: count, by: 2000) {
            try await values.set(
                Dictionary(uniqueKeysWithValues: (start..<min(count, start + 2000)).map { ("k\($0)", value) }))
        }
        await filler.shutdown()
        let key = SyncScene.masterKey.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
        let end = try await NodeProcess(["drain", scene.path("a"), key, server.url, String(count)]).ended()
        print(end.lines.joined(separator: "; "))
        #expect(end.isClean)
        #expect(end.lines.first == "pending \(count) left 0 applied \(count)")
        let grown = end.lines.last?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? .max
        #expect(grown < 64 << 20)
        server.stop()
    }
}
