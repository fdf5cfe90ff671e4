import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitRedis

/// What a store told its follower.
final class Told: Sendable {
    private let list = Mutex<[RemoteInvalidation]>([])

    func add(_ invalidation: RemoteInvalidation) { list.withLock { $0.append(invalidation) } }
    func clear() { list.withLock { $0 = [] } }

    var everythings: Int { list.withLock { $0.count { $0 == .everything } } }
    var keys: Set<String> {
        var names: Set<String> = []
        for invalidation in list.withLock({ $0 }) {
            if case .keys(let keys) = invalidation { names.formUnion(keys.map(\.string)) }
        }
        return names
    }

    /// Whether a key is told of.
    func hears(of key: String) async -> Bool {
        await eventually { keys.contains(key) }
    }
}

extension RedisStore {
    var isActive: Bool { if case .active = following { true } else { false } }
    var isLost: Bool { if case .lost = following { true } else { false } }
    var isRefused: Bool { if case .refused = following { true } else { false } }

    /// What `CLIENT LIST` says of the connection that listens.
    func subscribers() async throws -> String {
        guard case .bulkString(let bytes) = try await command(words("CLIENT", "LIST", "TYPE", "pubsub")) else {
            return ""
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Runs `body` while the store follows, and checks that it ends.
    func whileFollowing(_ body: (Told) async throws -> Void) async throws {
        let told = Told()
        let following = Task { await follow { told.add($0) } }
        do {
            try await body(told)
        } catch {
            following.cancel()
            throw error
        }
        following.cancel()
        await following.value
        #expect("\(self.following)" == "idle")
    }
}
