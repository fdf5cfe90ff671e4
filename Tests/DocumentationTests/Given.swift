import CacheKit
import CacheKitTesting
import Foundation
import Logging

/// What blocks use without declaring it: of a page's own world.
struct User: Codable, Sendable, Equatable {
    var id: Int
    var name: String
}

/// Stands for a database.
func loadUser(_ id: String) async throws -> User { User(id: Int(id) ?? 0, name: "Ada") }

/// Stands for where a service gets its password.
func currentPassword() async throws -> String { "secret" }

/// Stands for a caller's logger.
let logger = Logger(label: "documentation")

/// What a block is given by name, and what stands in for files, servers and keys.
struct Given: Sendable {
    let cache: Cache
    let file: String
    let redis: String
    let key: KeySource
    /// Declared where a block asks for it: others declare it in their own way.
    var users: Namespace<User> { cache.namespace("users", of: User.self, ttl: .seconds(600)) }

    init(cache: Cache, folder: String, redis: String, key: MasterKey) {
        self.cache = cache
        file = folder + "/cache.db"
        self.redis = redis
        self.key = .key(key)
    }
}
