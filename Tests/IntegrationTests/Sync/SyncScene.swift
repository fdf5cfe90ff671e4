import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Logging
import Testing

/// Nodes that push to a real server, each with a file of its own in one folder that goes with the scene.
final class SyncScene: Sendable {
    /// The namespace that nodes write, with numbers for values.
    static let namespace = "n"
    static let masterKey = [UInt8](repeating: 7, count: 32)

    private let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-sync-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    static func encryption() throws -> Encryption { .secure(key: .key(try MasterKey(bytes: masterKey))) }

    /// The file of a node.
    func path(_ name: String) -> String { folder.appending(path: "\(name).db").path }

    /// A node that finds out soon what became of its server.
    func node(
        _ url: String, file name: String = "a", encryption: Encryption? = nil,
        _ adjust: (inout SyncConfiguration) -> Void = { _ in }
    ) async throws -> Cache {
        var sync = SyncConfiguration()
        sync.longestBackoff = .milliseconds(300)
        adjust(&sync)
        return try await Cache(
            local: .sqlite(path: path(name)), remote: Self.redis(url), sync: .writeBehind(sync),
            encryption: encryption ?? Self.encryption())
    }

    static func redis(_ url: String) -> RedisConfiguration {
        var redis = RedisConfiguration(url)
        redis.commandTimeout = .seconds(1)
        redis.connectTimeout = .seconds(1)
        redis.maximumBackoff = .milliseconds(200)
        return redis
    }

    /// The rows of a node's file, once its cache is shut down.
    func rows(_ name: String) async throws -> [Change] {
        let store = try await SQLiteStore.open(
            SQLiteConfiguration(path: path(name)),
            LocalStoreContext(
                keyring: Keyring(current: MasterKey(bytes: Self.masterKey)), tenant: "default", hasRemote: true,
                clock: SystemClock(), logger: Logger(label: "test")))
        let rows = try await store.changes(after: .zero, origin: nil, limit: .max, byteLimit: .max)
        await store.close()
        return rows
    }

    /// What a server holds of numbers, read past every node.
    static func numbers(_ url: String, _ keys: [String], encryption: Encryption? = nil) async throws -> [String: Int] {
        let reader = try await Cache(remote: redis(url), encryption: encryption ?? Self.encryption())
        let numbers = reader.namespace(namespace, of: Int.self)
        var found: [String: Int] = [:]
        for start in stride(from: 0, to: keys.count, by: 1000) {
            found.merge(try await numbers.get(Array(keys[start...].prefix(1000)))) { first, _ in first }
        }
        await reader.shutdown()
        return found
    }
}

extension Cache {
    /// The numbers that a node writes.
    var numbers: Namespace<Int> { namespace(SyncScene.namespace, of: Int.self) }

    /// Writes many numbers, a thousand in a transaction.
    func write(_ keys: [String], _ number: Int) async throws {
        for start in stride(from: 0, to: keys.count, by: 1000) {
            try await numbers.set(
                Dictionary(keys[start...].prefix(1000).map { ($0, number) }, uniquingKeysWith: { first, _ in first }))
        }
    }

    /// Waits until nothing is pending and nothing is being sent again.
    func settled(within limit: Duration = .seconds(60)) async throws -> SyncStatus {
        var last: SyncStatus?
        try await eventually("an empty backlog", within: limit) {
            let status = try #require(try await syncStatus())
            last = status
            // The backlog is the file's, and empty a moment before the engine has counted what became of it.
            return status.backlog.changes == 0 && status.activity != .pushing && status.lostBuckets == 0
                && status.lastError == nil
        }
        return try #require(last)
    }
}

extension FaultProxy {
    /// Cuts a node off, for good until it has another plan, and waits until the node knows.
    func isolate(_ node: Cache) async throws {
        setPlan { _ in [.cut(.requests, after: 0)] }
        cutAll()
        try await eventually("the cut") {
            if case .unavailable = await node.health().remote.state { true } else { false }
        }
    }
}

extension SyncOutcomes {
    /// Changes that ended in any way.
    var ended: Int { byName.reduce(0) { $0 + $1.count } - resent }

    /// Whether any change ended in another way than that it took effect, or gave way to a later one.
    var hasTrouble: Bool { ended != applied + superseded }
}

/// Waits for something that another task or process brings about.
func eventually(
    _ what: String, within limit: Duration = .seconds(30), _ holds: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !holds() {
        try #require(ContinuousClock.now < deadline, "\(what) did not happen")
        try await Task.sleep(for: .milliseconds(5))
    }
}
