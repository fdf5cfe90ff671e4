import ArgumentParser
import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation
import Logging

/// Where entries are and how they are sealed; every command that opens a cache has these.
struct StoreOptions: ParsableArguments {
    @Option(name: .long, help: "The encrypted SQLite file; CACHEKIT_DATABASE where left out.")
    var database: String?

    @Option(
        name: .long,
        help:
            "redis://[user:password@]host[:port][/db], redis+unix:///path, redis+sentinel://host[,host...]/master or redis+cluster://host[,host...]; rediss for TLS. CACHEKIT_REDIS_URL where left out. A password is safer in the variable."
    )
    var redis: String?

    @OptionGroup(title: "TLS with Redis")
    var redisTLS: RedisTLSOptions

    @Option(name: .long, help: "A file with the master key in hex, mode 0600; CACHEKIT_MASTER_KEY where left out.")
    var keyFile: String?

    @Option(
        name: .long,
        help:
            "A file that `cachekit keys export --relay` wrote, in the place of the master key: enough to send, list and report, not to read or write."
    )
    var relayKey: String?

    @Option(name: .long, help: "Whose entries these are.")
    var tenant = "default"

    @Option(name: .long, help: "How bytes are laid out: native, or interop to share them with other CacheKit SDKs.")
    var mode = Mode.native

    @Flag(name: .long, help: "Values are readable in Redis. The file is encrypted all the same.")
    var plain = false

    @Option(
        name: .long,
        help: "The largest value, as MessagePack: bytes, or a number with K or M; at most 512M. 16M where left out.")
    var maxValue = ByteCountArgument(count: 16 << 20)

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case native
        case interop
    }

    var databasePath: String? { database ?? Self.variable("CACHEKIT_DATABASE") }

    var redisURL: String? { redis ?? Self.variable("CACHEKIT_REDIS_URL") }

    var namespaceMode: NamespaceMode { mode == .interop ? .interop : .native }

    /// Opens a cache over the tiers that the options name, or the ones a command asks for.
    ///
    /// - Parameters:
    ///   - creatingDatabase: `false` for a command that makes no sense on an empty file: a mistyped path is told.
    ///   - usingRedis: `false` for a command that has no use for it.
    ///   - patience: How long connecting to Redis may take.
    ///   - logger: Where warnings go; nowhere for a command that reports its failures by itself.
    func open(
        requiringDatabase: Bool = false, creatingDatabase: Bool = true, requiringRedis: Bool = false,
        usingRedis: Bool = true,
        patience: Duration = .seconds(5), logger: Logger? = nil
    ) async throws(CacheError) -> Cache {
        var configuration = configuration
        if let logger { configuration.logger = logger }
        if requiringDatabase { _ = try requiredDatabasePath() }
        if requiringRedis, redisURL == nil {
            throw CacheError(.invalidConfiguration, "this command needs Redis: give --redis or set CACHEKIT_REDIS_URL")
        }
        if !creatingDatabase, databasePath != nil { _ = try existingDatabasePath() }
        var redis = (usingRedis ? redisURL : nil).map { RedisConfiguration($0) }
        redis?.connectTimeout = patience
        redis?.tls = try redisTLS.settings
        switch (databasePath, redis) {
        case (let path?, let redis?):
            return try await Cache(
                local: file(path), remote: redis, sync: .writeBehind(), encryption: try encryption(),
                configuration: configuration)
        case (let path?, nil):
            return try await Cache(
                local: file(path), encryption: try encryption(), configuration: configuration)
        case (nil, let redis?):
            return try await Cache(remote: redis, encryption: try encryption(), configuration: configuration)
        case (nil, nil):
            throw CacheError(
                .invalidConfiguration,
                "nothing to work with: give --database, --redis, or both (or set their variables)")
        }
    }

    /// Opens a cache for a command that writes. Where the file acknowledges, a Redis that is away must not hold the user up.
    func openForWriting(
        requiringDatabase: Bool = false, creatingDatabase: Bool? = nil
    ) async throws(CacheError) -> Cache {
        try await open(
            requiringDatabase: requiringDatabase, creatingDatabase: creatingDatabase ?? !requiringDatabase,
            patience: databasePath == nil ? .seconds(5) : .seconds(2))
    }

    /// The file as a command opens it. How large it may grow is set where the service is configured, and no command knows
    /// that: whatever a command does, it evicts nothing.
    static func file(_ path: String) -> SQLiteConfiguration {
        var file = SQLiteConfiguration(path: path)
        // No SQLite file grows so large (https://www.sqlite.org/limits.html#max_page_count).
        file.sizeLimit = 1 << 50
        return file
    }

    func validate() throws {
        if relayKey != nil, keyFile != nil { throw ValidationError("give --key-file or --relay-key, not both") }
    }

    func keyring() throws(CacheError) -> Keyring {
        guard relayKey == nil else { throw .relayKeyOpensNothing() }
        guard let keyFile else { return try Keyring.environment() }
        return try Keyring(
            current: MasterKey(file: keyFile), previous: Keyring.previousKeysFromEnvironment())
    }

    func encryption() throws(CacheError) -> Encryption {
        if let relayKey { return .relay(file: relayKey) }
        // Redis alone, plain: nothing is sealed, so no key is asked for.
        if plain, databasePath == nil { return .plain }
        let source = KeySource.keyring(try keyring())
        return plain ? .plain(fileKey: source) : .secure(key: source)
    }

    var configuration: CacheConfiguration {
        var configuration = CacheConfiguration()
        configuration.tenant = tenant
        configuration.defaultMode = namespaceMode
        configuration.maximumValueBytes = maxValue.count
        // One process, one command: what memory would keep is never read again.
        configuration.memory.maximumBytes = 1 << 20
        configuration.logger = Logger(label: "cachekit") { _ in SwiftLogNoOpLogHandler() }
        return configuration
    }

    /// The file, with room for the largest value that the command takes.
    func file(_ path: String) -> SQLiteConfiguration {
        var file = Self.file(path)
        let stored = ByteStorage.maximumPackedByteCount(maxValue.count) + 64
        file.maximumValueBytes = max(file.maximumValueBytes, min(stored, SQLiteConfiguration.greatestValueBytes))
        return file
    }

    /// The longest JSON text that a value can come in. A control character takes six bytes there (`\u0001`), as does an
    /// element `false,` of an array, against one byte in MessagePack; the rest is for a key.
    var maximumTextBytes: Int { maxValue.count * 6 + 16 << 10 }

    /// One variable by its name: Foundation's dictionary of all of them would copy the master key into a `String`.
    static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// Which namespace keys are in.
struct NamespaceOptions: ParsableArguments {
    @Option(name: .long, help: "Keys are NAMESPACE:KEY.")
    var namespace: String?

    func key(_ key: String) throws(CacheError) -> CacheKey {
        guard let namespace else { return try CacheKey(key) }
        return try CacheKey(namespace: namespace, key: key)
    }
}

/// How results are printed.
struct ReportOptions: ParsableArguments {
    @Flag(name: .long, help: "Print the report as JSON on one line.")
    var json = false
}

/// A number of bytes on the command line: bytes, or a number with K (1,024) or M (1,048,576).
struct ByteCountArgument: ExpressibleByArgument {
    let count: Int

    init(count: Int) {
        self.count = count
    }

    init?(argument: String) {
        guard let count = ByteCountText.bytes(argument), (1...512 << 20).contains(count) else { return nil }
        self.count = count
    }

    var defaultValueDescription: String { ByteCountText.text(count) }
}

/// A TTL on the command line: seconds, or a number with ms, s, m, h or d.
struct TTLArgument: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        guard let duration = Duration(text: argument), duration > .zero else { return nil }
        self.duration = duration
    }
}
