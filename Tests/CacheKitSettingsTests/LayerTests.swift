import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation
import Testing

@testable import CacheKitSettings

struct LayerTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    @Test func `the file goes over the preset, the environment over the file, code over both`() throws {
        let file = try folder.write(
            "settings.json",
            """
            {"default_ttl": "1h", "tenant": "file", "sqlite": {"reader_count": 2, "size_limit": "2M"},
             "sync": {"back_pressure": {"response": "write_through", "timeout": "9s"}}}
            """)
        var settings = CacheSettings.environment(
            .production, file: file, variables: ["CACHEKIT_DEFAULT_TTL": "2h", "CACHEKIT_SQLITE_READER_COUNT": "3"])
        settings.sqlite.readerCount = 5
        #expect(settings.cache.defaultTTL == .seconds(7200))
        #expect(settings.cache.tenant == "file")
        #expect(settings.sqlite.sizeLimit == 2 << 20)
        #expect(settings.sync.backPressure.response == .writeThrough(timeout: .seconds(9)))
        #expect(settings.sqlite.readerCount == 5)
        let sources = Dictionary(uniqueKeysWithValues: settings.effective.map { ($0.name, $0.source) })
        #expect(sources["tenant"] == "line 1")
        #expect(sources["sqlite.size_limit"] == "line 1")
        #expect(sources["sync.back_pressure.timeout"] == "line 2")
        #expect(sources["default_ttl"] == "environment")
        #expect(sources["sqlite.reader_count"] == "code")
        #expect(sources["memory.shards"] == "preset")
    }

    @Test func `what a write meets may come from one layer, and how long it waits from another`() throws {
        let database = ["CACHEKIT_DATABASE": folder.path + "/cache.db", "CACHEKIT_MASTER_KEY": masterKeyHex]
        let timeout = try folder.write("timeout.json", #"{"sync": {"back_pressure": {"timeout": "3s"}}}"#)
        let response = "CACHEKIT_SYNC_BACK_PRESSURE_RESPONSE"
        // The preset refuses at once.
        let block = CacheSettings.environment(
            .offline, file: timeout, variables: database.merging([response: "block"]) { $1 })
        #expect(block.mistakes.isEmpty)
        #expect(block.sync.backPressure.response == .block(timeout: .seconds(3)))
        #expect(CacheSettings.environment(.offline, file: timeout, variables: database).mistakes.count == 1)
        let both = try folder.write(
            "both.json", #"{"sync": {"back_pressure": {"response": "block", "timeout": "3s"}}}"#)
        let reject = CacheSettings.environment(.production, file: both, variables: [response: "reject"])
        #expect(reject.mistakes.isEmpty)
        #expect(reject.sync.backPressure.response == .reject)
        let longer = CacheSettings.environment(
            .production, file: both, variables: ["CACHEKIT_SYNC_BACK_PRESSURE_TIMEOUT": "9s"])
        #expect(longer.sync.backPressure.response == .block(timeout: .seconds(9)))
    }

    @Test func `an empty variable is as good as none`() {
        let settings = CacheSettings.environment(
            .minimal, variables: ["CACHEKIT_DATABASE": "", "CACHEKIT_TENANT": "", "CACHEKIT_UNKNOWN": ""])
        #expect(settings.problems.isEmpty)
        #expect(settings.cache.tenant == "default")
    }

    @Test func `a key file goes with older keys from the environment`() async throws {
        let older = String(repeating: "b2", count: 32)
        let keyFile = try folder.write("key", masterKeyHex + "\n")
        let database = folder.path + "/cache.db"
        var first = CacheSettings(.secure)
        first.database = database
        first.key = .key(try MasterKey(hex: older))
        let cache = try await Cache(first)
        try await cache.namespace("texts", of: String.self).set("ada", for: "1")
        await cache.shutdown()
        let rotated = CacheSettings.environment(
            .secure,
            variables: [
                "CACHEKIT_DATABASE": database, "CACHEKIT_KEY_FILE": keyFile, "CACHEKIT_PREVIOUS_MASTER_KEYS": older,
            ])
        let again = try await Cache(rotated)
        #expect(try await again.namespace("texts", of: String.self).get("1") == "ada")
        await again.shutdown()
    }

    @Test func `the environment's key goes over the file's, and two of one place are a mistake`() throws {
        let file = try folder.write("settings.json", #"{"key_file": "/does/not/exist"}"#)
        let over = CacheSettings.environment(
            .secure, file: file, variables: ["CACHEKIT_MASTER_KEY": masterKeyHex])
        #expect(over.problems.isEmpty)
        let missing = CacheSettings(file: file, preset: .secure)
        #expect(missing.problems.count == 1 && missing.problems.name("key file does not exist"))
        let two = CacheSettings.environment(
            .secure, variables: ["CACHEKIT_MASTER_KEY": masterKeyHex, "CACHEKIT_KEY_FILE": "/does/not/exist"])
        #expect(two.problems.count == 1 && two.problems.name("CACHEKIT_KEY_FILE", "CACHEKIT_MASTER_KEY"))
    }

    @Test func `somebody else's variables are passed over by name`() {
        let variables = ["CACHEKIT_API_KEY": "1", "CACHEKIT_OTHER": "2", "PATH": "/bin"]
        #expect(CacheSettings.environment(.minimal, variables: variables).problems.count == 2)
        let passing = CacheSettings.environment(.minimal, variables: variables, passingOver: ["CACHEKIT_API_KEY"])
        #expect(passing.problems.count == 1 && passing.problems.name("CACHEKIT_OTHER"))
        // What this process has is nobody's business here, but its form is.
        #expect(Environment.process.names.allSatisfy { $0.hasPrefix("CACHEKIT_") && !$0.contains("=") })
    }

    @Test func `code may give the address of Redis and keep what the environment says of it`() throws {
        var settings = CacheSettings.environment(
            .production, variables: ["CACHEKIT_REDIS_COMMAND_TIMEOUT": "2s", "CACHEKIT_ENCRYPTION": "plain"])
        #expect(settings.problems.name("CACHEKIT_REDIS_COMMAND_TIMEOUT", "no effect"))
        settings.setRedis(url: "redis://localhost")
        #expect(settings.problems.isEmpty)
        #expect(settings.redis.commandTimeout == .seconds(2))
        settings.redis = .redis("redis://localhost:7000")
        #expect(settings.redis.commandTimeout == .seconds(5))
        #expect(settings.problems.isEmpty)
    }
}
