import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Logging

/// A cache over a file of its own that pushes to a server.
struct PushNode: Sendable {
    let cache: Cache
    private let folder: TemporaryFolder
    private let log: FileLog

    init(_ server: RedisServer, _ sync: SyncConfiguration) async throws {
        folder = try TemporaryFolder()
        var configuration = CacheConfiguration()
        configuration.memory.maximumBytes = 0
        // Nobody runs it: it is told to push.
        configuration.logger = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
        cache = try await Cache(
            local: .sqlite(path: folder.path("cache.db")), remote: .redis(server.unixURL), sync: .writeBehind(sync),
            encryption: .secure(key: .keyring(Samples.keyring())), configuration: configuration)
        log = try FileLog(folder.path("cache.db"))
    }

    /// Commits a value of 1 KiB under each key, and lets the file come to rest.
    func commit(_ keys: [CacheKey], stampedFrom first: Int) async throws {
        var value = Samples.randomBytes(1024, seed: 1)
        for start in stride(from: 0, to: keys.count, by: 1_000) {
            try await cache.bytes.set(
                (start..<min(start + 1_000, keys.count)).map { index in
                    stamp(&value, first + index)
                    return (key: keys[index], value: value, ttl: nil)
                })
        }
        try log.move()
        try await Task.sleep(for: .milliseconds(100))
    }

    /// Pushes until nothing is pending.
    func push() async throws {
        let status = await cache.push(deadline: .seconds(60))
        guard status?.backlog.changes == 0, status?.lastError == nil else { throw FloorFailure(call: "push") }
    }

    func finish() async {
        await cache.shutdown()
        folder.remove()
    }
}
