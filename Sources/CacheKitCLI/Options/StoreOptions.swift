import ArgumentParser
import CacheKit
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
            "redis://[user:password@]host[:port][/db] or redis+unix:///path; CACHEKIT_REDIS_URL where left out. A password is safer in the variable."
    )
    var redis: String?

    @Option(name: .long, help: "A file with the master key in hex, mode 0600; CACHEKIT_MASTER_KEY where left out.")
    var keyFile: String?

    @Option(name: .long, help: "Whose entries these are.")
    var tenant = "default"

    @Option(name: .long, help: "How bytes are laid out: native, or interop to share them with other CacheKit SDKs.")
    var mode = Mode.native

    @Flag(name: .long, help: "Values are readable in Redis. The file is encrypted all the same.")
    var plain = false

    enum Mode: String, ExpressibleByArgument, CaseIterable {
        case native
        case interop
    }

    var databasePath: String? { database ?? Self.variable("CACHEKIT_DATABASE") }

    /// The path of the file, for a command that reads nothing else.
    func requireDatabase() throws(CacheError) -> String {
        guard let databasePath else {
            throw CacheError(
                .invalidConfiguration, "this command reads the file: give --database or set CACHEKIT_DATABASE")
        }
        return databasePath
    }

    var redisURL: String? { redis ?? Self.variable("CACHEKIT_REDIS_URL") }

    var namespaceMode: NamespaceMode { mode == .interop ? .interop : .native }

    /// Opens a cache over the tiers that the options name, or the ones a command asks for.
    func open(requiringDatabase: Bool = false, requiringRedis: Bool = false, usingRedis: Bool = true)
        async throws(CacheError) -> Cache
    {
        if requiringDatabase { _ = try requireDatabase() }
        if requiringRedis, redisURL == nil {
            throw CacheError(.invalidConfiguration, "this command needs Redis: give --redis or set CACHEKIT_REDIS_URL")
        }
        let url = usingRedis ? redisURL : nil
        switch (databasePath, url) {
        case (let path?, let url?):
            return try await Cache(
                local: .sqlite(path: path), remote: .redis(url), sync: .writeBehind(), encryption: try encryption(),
                configuration: configuration)
        case (let path?, nil):
            return try await Cache(
                local: .sqlite(path: path), encryption: try encryption(), configuration: configuration)
        case (nil, let url?):
            return try await Cache(remote: .redis(url), encryption: try encryption(), configuration: configuration)
        case (nil, nil):
            throw CacheError(
                .invalidConfiguration,
                "nothing to work with: give --database, --redis, or both (or set their variables)")
        }
    }

    func keyring() throws(CacheError) -> Keyring {
        guard let keyFile else { return try Keyring.environment() }
        return try Keyring(
            current: MasterKey(file: keyFile), previous: Keyring.previousKeysFromEnvironment())
    }

    func encryption() throws(CacheError) -> Encryption {
        // Redis alone, plain: nothing is sealed, so no key is asked for.
        if plain, databasePath == nil { return .plain }
        let source = KeySource.keyring(try keyring())
        return plain ? .plain(fileKey: source) : .secure(key: source)
    }

    var configuration: CacheConfiguration {
        var configuration = CacheConfiguration()
        configuration.tenant = tenant
        configuration.defaultMode = namespaceMode
        // One process, one command: what memory would keep is never read again.
        configuration.memory.maximumBytes = 1 << 20
        configuration.logger = Logger(label: "cachekit") { _ in SwiftLogNoOpLogHandler() }
        return configuration
    }

    /// One variable by its name: Foundation's dictionary of all of them would copy the master key into a `String`.
    private static func variable(_ name: String) -> String? {
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

/// A TTL on the command line: seconds, or a number with ms, s, m, h or d.
struct TTLArgument: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        let units: [(String, Int64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        let unit = units.first { argument.hasSuffix($0.0) } ?? ("", 1000)
        guard let number = Int64(argument.dropLast(unit.0.count)), number > 0 else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.1)
        guard !overflow else { return nil }
        duration = .milliseconds(milliseconds)
    }
}
