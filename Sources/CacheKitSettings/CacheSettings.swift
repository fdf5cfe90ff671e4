public import CacheKit
import CacheKitCore
public import CacheKitRedis
public import CacheKitSQLite
public import CacheKitSync

/// Everything that a cache is made of, from a preset, a file, the environment and code, in this order: what comes later wins.
///
/// Reading never throws. What is wrong is kept, and making the cache throws all of it at once, before anything is opened or
/// created: see ``problems``.
public struct CacheSettings: Sendable {
    /// Whether values are sealed in memory and Redis. A local file is encrypted either way.
    public enum EncryptionChoice: String, CaseIterable, Sendable {
        /// Sealed in every tier.
        case secure
        /// Readable in memory and Redis.
        case plain
    }

    /// What everything else began as.
    public let preset: Preset
    /// Secure or plain. `nil` is what the preset stands for; `.production` stands for neither, and one has to be said. A key
    /// alone never says it.
    public var encryption: EncryptionChoice?
    /// Where the master key comes from; before ``keyFile`` and the environment.
    public var key: KeySource?
    /// A file with the master key in hex, mode 0600.
    public var keyFile: String?
    /// A file with a relay key, in the place of the master key: enough to send what the file holds, and to read nothing.
    public var relayKeyFile: String?
    /// Tenant, TTL, memory, clock, logger.
    public var cache = CacheConfiguration()
    /// How the file is opened, and, as its path, which it is; with an empty path there is none. See ``database``.
    public var sqlite = SQLiteConfiguration(path: "")
    /// How Redis is reached. Without an address there is none.
    public var redis = RedisConfiguration.unaddressed
    /// How changes are carried from the file to Redis, where both are there.
    public var sync = SyncConfiguration()

    /// Whether the preset is known, so that what it asks for can be.
    var isPresetKnown = true
    /// TLS as file and environment say it; code has ``redis``.
    var redisTLS = RedisTLSFiles()
    /// What was read from where, by name.
    var readings: [String: Reading] = [:]
    /// Settings that were given and could not be read: nothing more is said of their absence.
    var unreadable: Set<String> = []
    /// What is applied once every layer has said its part; `nil` after that.
    var postponed: [(setting: Setting, text: String, place: Reading.Place)]?
    /// What was wrong with what was read.
    var mistakes: [String] = []
    /// The environment that was read; `nil` before.
    var environment: Environment?

    /// A preset as it is; nothing is read from anywhere.
    public init(_ preset: Preset) {
        self.preset = preset
        preset.prepare(&self)
    }

    /// The path of the encrypted SQLite file; `nil` for none.
    public var database: String? {
        get { sqlite.path.isEmpty ? nil : sqlite.path }
        set { sqlite.path = newValue ?? "" }
    }

    /// Where Redis is; everything else of ``redis`` stays as it is.
    public mutating func setRedis(url: String) {
        redis.move(to: Result { () throws(CacheError) in try RedisURL(url) })
        unreadable.remove("redis.url")
    }

    var hasDatabase: Bool { database != nil || unreadable.contains("database") }
    var hasRedis: Bool { redis.isAddressed || unreadable.contains("redis.url") }
}
