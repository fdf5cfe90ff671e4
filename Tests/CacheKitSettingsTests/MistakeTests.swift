import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation
import Testing

@testable import CacheKitSettings

struct MistakeTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    @Test func `a file with ten mistakes gives ten lines, and leaves nothing behind`() async throws {
        let file = try folder.write(
            "settings.json",
            """
            {
              "preset": "production",
              "encryption": "aes",
              "databse": "/tmp/a.db",
              "database": "\(folder.path)/cache.db",
              "default_ttl": "10 minutes",
              "memory": {"shards": 5000},
              "sqlite": {"size_limit": "1K", "reader_count": "many"},
              "redis": {"url": "redis://localhost", "ca": "/etc/ca.pem", "client_name": "two words"},
              "sync": {"batch_changes": 0, "on_damage": "refuse"}
            }
            """)
        let error = try #require(await refusal(CacheSettings(file: file)))
        #expect(error.code == .invalidConfiguration)
        let mistakes = error.mistakes
        #expect(mistakes.count == 10, "\(error.message)")
        #expect(error.message.hasPrefix("the configuration has 10 mistakes:\n- "))
        #expect(mistakes.name("encryption (line 3)", "secure, plain"))
        #expect(mistakes.name("databse (line 4)", "did you mean database?"))
        #expect(mistakes.name("default_ttl (line 6)", "10m"))
        #expect(mistakes.name("memory.shards (line 7)", "1 to 1,024"))
        #expect(mistakes.name("sqlite.size_limit (line 8)", "at least 1 MiB"))
        #expect(mistakes.name("sqlite.reader_count (line 8)", "whole number"))
        #expect(mistakes.name("redis.ca (line 9)", "rediss://"))
        #expect(mistakes.name("redis.client_name (line 9)"))
        #expect(mistakes.name("sync.batch_changes (line 10)"))
        #expect(mistakes.name("sync.on_damage (line 10)", "did you mean sqlite.on_damage?"))
        #expect(folder.names == ["settings.json"])
    }

    @Test func `each mistake that the environment can hold is named by its variable`() {
        let base = [
            "CACHEKIT_DATABASE": folder.path + "/cache.db", "CACHEKIT_REDIS_URL": "redis://localhost",
            "CACHEKIT_ENCRYPTION": "secure", "CACHEKIT_MASTER_KEY": masterKeyHex,
        ]
        #expect(CacheSettings.environment(.production, variables: base).problems.isEmpty)
        let cases: [(changes: [String: String], words: [String])] = [
            (["CACHEKIT_REDIS_URI": "x"], ["CACHEKIT_REDIS_URI", "did you mean CACHEKIT_REDIS_URL?"]),
            (["CACHEKIT_SYNC_BATCH_CHANEGS": "1"], ["did you mean CACHEKIT_SYNC_BATCH_CHANGES?"]),
            (["CACHEKIT_XYZZY_PLUGH": "1"], ["CACHEKIT_XYZZY_PLUGH", "take it out"]),
            (["CACHEKIT_REDIS_URL": "redis//localhost"], ["CACHEKIT_REDIS_URL", "no scheme"]),
            (["CACHEKIT_REDIS_BREAKER_THRESHOLD": "-1"], ["CACHEKIT_REDIS_BREAKER_THRESHOLD", "whole number"]),
            (["CACHEKIT_REDIS_BREAKER_THRESHOLD": "1000"], ["CACHEKIT_REDIS_BREAKER_THRESHOLD", "1 to 100"]),
            (
                ["CACHEKIT_REDIS_URL": "rediss://h", "CACHEKIT_REDIS_CERT": "/c.pem"],
                ["CACHEKIT_REDIS_CERT", "go together"]
            ),
            (["CACHEKIT_REDIS_READS_FROM_REPLICAS": "true"], ["CACHEKIT_REDIS_READS_FROM_REPLICAS", "Cluster"]),
            (["CACHEKIT_REDIS_MINIMUM_TLS": "1.3"], ["CACHEKIT_REDIS_MINIMUM_TLS", "rediss://"]),
            (["CACHEKIT_SQLITE_ON_DAMAGE": "recreate"], ["CACHEKIT_SQLITE_ON_DAMAGE", "with Redis"]),
            (["CACHEKIT_SYNC_TOMBSTONE_LIFE": "30d"], ["CACHEKIT_SYNC_TOMBSTONE_LIFE", "tombstone_lifetime"]),
            (["CACHEKIT_SYNC_BACK_PRESSURE_BYTES": "2G"], ["CACHEKIT_SYNC_BACK_PRESSURE_BYTES", "never reached"]),
            (
                ["CACHEKIT_SYNC_BACK_PRESSURE_TIMEOUT": "0", "CACHEKIT_SYNC_BACK_PRESSURE_CHANGES": "1000"],
                ["CACHEKIT_SYNC_BACK_PRESSURE_TIMEOUT"]
            ),
            (["CACHEKIT_MAXIMUM_VALUE_BYTES": "128M"], ["CACHEKIT_MAXIMUM_VALUE_BYTES", "sqlite.maximum_value_bytes"]),
            (["CACHEKIT_MASTER_KEY": "abc"], ["CACHEKIT_MASTER_KEY"]),
            (["CACHEKIT_MASTER_KEY": ""], ["CACHEKIT_MASTER_KEY", "needed"]),
            (["CACHEKIT_RELAY_KEY_FILE": "/does/not/exist"], ["relay key file does not exist"]),
            (["CACHEKIT_PRESET": "prod"], ["CACHEKIT_PRESET", "production"]),
        ]
        for (changes, words) in cases {
            let problems = CacheSettings.environment(.production, variables: base.merging(changes) { $1 }).problems
            #expect(problems.contains { line in words.allSatisfy(line.contains) }, "\(changes.keys): \(problems)")
            #expect(problems.count == 1, "\(changes.keys): \(problems)")
        }
    }

    @Test func `what has no effect is told`() {
        func problems(_ preset: Preset, _ variables: [String: String]) -> [String] {
            CacheSettings.environment(
                preset, variables: variables.merging(["CACHEKIT_MASTER_KEY": masterKeyHex]) { $1 }
            ).problems
        }
        let database = ["CACHEKIT_DATABASE": folder.path + "/cache.db"]
        let sync = problems(.secure, database.merging(["CACHEKIT_SYNC_BATCH_BYTES": "1M"]) { $1 })
        #expect(sync.count == 1 && sync.name("CACHEKIT_SYNC_BATCH_BYTES", "redis.url"))
        let file = problems(.secure, ["CACHEKIT_SQLITE_READER_COUNT": "2", "CACHEKIT_REDIS_URL": "redis://h"])
        #expect(file.count == 1 && file.name("CACHEKIT_SQLITE_READER_COUNT", "database"))
        let minimal = problems(.minimal, database.merging(["CACHEKIT_REDIS_URL": "redis://h"]) { $1 })
        #expect(minimal.count == 2 && minimal.name("CACHEKIT_DATABASE", "minimal"))
        #expect(problems(.offline, [:]).name("the preset offline needs database"))
        let alone = problems(
            .secure, ["CACHEKIT_LOADING_IS_ONE_PER_FLEET": "true", "CACHEKIT_LOADING_IS_ONE_PER_FILE": "true"])
        #expect(alone.count == 2 && alone.name("CACHEKIT_LOADING_IS_ONE_PER_FLEET", "redis.url"))
        let relay = problems(.secure, ["CACHEKIT_RELAY_KEY_FILE": "/none"])
        #expect(relay.name("CACHEKIT_RELAY_KEY_FILE", "database"))
        for (variables, name, needs) in [
            (["KEY_FILE": "/none"], "CACHEKIT_KEY_FILE", "nothing is sealed"),
            (["COHERENCE_INTERVAL": "10ms"], "CACHEKIT_COHERENCE_INTERVAL", "database"),
            (["MAINTENANCE_INTERVAL": "2s"], "CACHEKIT_MAINTENANCE_INTERVAL", "database"),
        ] {
            let base = ["CACHEKIT_REDIS_URL": "redis://h", "CACHEKIT_ENCRYPTION": "plain"]
            let set = Dictionary(uniqueKeysWithValues: variables.map { ("CACHEKIT_\($0)", $1) })
            let found = problems(.production, base.merging(set) { $1 })
            #expect(found.count == 1 && found.name(name, needs), "\(found)")
        }
        let both = database.merging(["CACHEKIT_REDIS_URL": "redis://h"]) { $1 }
        for (base, variables, name, needs) in [
            (
                both, ["SYNC_BACK_PRESSURE_RESPONSE": "reject"], "CACHEKIT_SYNC_BACK_PRESSURE_RESPONSE",
                "back_pressure.bytes"
            ),
            (
                both, ["SYNC_BACK_PRESSURE_TIMEOUT": "1s"], "CACHEKIT_SYNC_BACK_PRESSURE_TIMEOUT",
                "back_pressure.changes"
            ),
            ([:], ["TOMBSTONE_LIFETIME": "9d"], "CACHEKIT_TOMBSTONE_LIFETIME", "database"),
            ([:], ["LOADING_RETRY_PAUSE": "2s"], "CACHEKIT_LOADING_RETRY_PAUSE", "stale_if_error"),
            (
                [:], ["LOADING_LOAD_ELSEWHERE_TIMEOUT": "2s"], "CACHEKIT_LOADING_LOAD_ELSEWHERE_TIMEOUT",
                "is_one_per_file"
            ),
        ] {
            let set = Dictionary(uniqueKeysWithValues: variables.map { ("CACHEKIT_\($0)", $1) })
            let found = problems(.secure, base.merging(set) { $1 })
            #expect(found.count == 1 && found.name(name, needs), "\(found)")
        }
        for (base, typo, set) in [
            (both, "SYNC_BACK_PRESSURE_CHANGES", "SYNC_BACK_PRESSURE_RESPONSE"),
            ([:], "LOADING_STALE_IF_ERROR", "LOADING_RETRY_PAUSE"),
        ] {
            let values = ["CACHEKIT_\(typo)": "100k!", "CACHEKIT_\(set)": set.hasSuffix("RESPONSE") ? "reject" : "2s"]
            let found = problems(.secure, base.merging(values) { $1 })
            #expect(found.count == 1 && found.name("CACHEKIT_\(typo)"), "\(found)")
        }
        let chosen = problems(.production, ["CACHEKIT_RELAY_KEY_FILE": "/none", "CACHEKIT_ENCRYPTION": "plain"])
        #expect(chosen.name("CACHEKIT_ENCRYPTION", "CACHEKIT_RELAY_KEY_FILE"))
        var code = CacheSettings(.secure)
        code.key = .key(try! MasterKey.generate())  // a machine without randomness tests nothing
        code.sync.batchChanges = 7
        #expect(code.problems.count == 1 && code.problems.name("sync.batch_changes", "no effect"))
    }

    @Test func `a file that is none is one mistake`() throws {
        let cases: [(String, String)] = [
            ("{\n\"tenant\": \"a\",\n}", "line 3"), ("[]", "must be a JSON object"),
            (#"{"preset": "secure", "master_key": "00"}"#, "key_file"),
            (#"{"preset": "secure", "sqlite": 4}"#, "must be an object"),
            (#"{"preset": "secure", "tenant": {}}"#, "tenant (line 1) must be a name"),
            (#"{"preset": "secure", "tenant": null}"#, "tenant (line 1) must be a name"),
            (#"{"preset": "secure", "tenant": true}"#, "tenant (line 1) must be a name"),
            (#"{"preset": "secure", "tenant": ["a", "b"]}"#, "tenant (line 1) must be a name"),
            (#"{"preset": "secure", "memory.shards": 4}"#, "memory.shards (line 1) must be written as an object"),
            (#"{"preset": "safe"}"#, "preset (line 1) must be one of"),
        ]
        for (text, words) in cases {
            let settings = CacheSettings.environment(
                file: try folder.write("settings.json", text), variables: ["CACHEKIT_MASTER_KEY": masterKeyHex])
            #expect(settings.problems.count == 1 && settings.problems.name(words), "\(text): \(settings.problems)")
        }
        let missing = CacheSettings(file: folder.path + "/none.json")
        #expect(missing.problems.count == 1 && missing.problems.name("can't be opened"))
        let shared = try folder.write(
            "shared.json",
            #"{"preset": "production", "encryption": "plain", "redis": {"url": "redis://:secret@h"}}"#, mode: 0o644)
        #expect(CacheSettings(file: shared).problems.name("chmod 600"))
    }

    @Test func `a cache made of configurations tells all their mistakes, too, and makes no file`() async throws {
        var sqlite = SQLiteConfiguration(path: folder.path + "/cache.db")
        sqlite.readerCount = 0
        sqlite.sizeLimit = 0
        var redis = RedisConfiguration("redis:/h")
        redis.breakerThreshold = 0
        var sync = SyncConfiguration()
        sync.batchChanges = 0
        var configuration = CacheConfiguration()
        configuration.tenant = ""
        configuration.reconciling.rowsPerSecond = 0
        do throws(CacheError) {
            _ = try await Cache(
                local: .sqlite(sqlite), remote: redis, sync: .writeBehind(sync), encryption: .plain,
                configuration: configuration)
            Issue.record("no mistake was found")
        } catch {
            #expect(error.code == .invalidConfiguration)
            #expect(error.mistakes.count == 8, "\(error.message)")
            #expect(error.mistakes.name("reconciling.rowsPerSecond"))
            #expect(error.mistakes.name("sync.batchChanges"))
            #expect(error.mistakes.name("a local file is always encrypted"))
        }
        #expect(folder.names.isEmpty)
    }

    @Test func `a mistake in the sync configuration alone makes no file`() async throws {
        var sync = SyncConfiguration()
        sync.batchChanges = 0
        do throws(CacheError) {
            _ = try await Cache(
                local: .sqlite(path: folder.path + "/cache.db"), remote: .redis("redis://localhost"),
                sync: .writeBehind(sync), encryption: .secure(key: .key(try MasterKey(hex: masterKeyHex))))
            Issue.record("no mistake was found")
        } catch {
            #expect(error.message == "sync.batchChanges must be from 1 to 10,000")
        }
        #expect(folder.names.isEmpty)
    }

    @Test func `a near miss is few changes away for its length`() {
        let known = ["CACHEKIT_REDIS_URL", "CACHEKIT_TENANT"]
        #expect(NearMiss.distance("abcd", "acbd") == 1)
        #expect(NearMiss.distance("", "abc") == 3)
        #expect(NearMiss.suggestion(for: "CACHEKIT_TENNANT", among: known) == "CACHEKIT_TENANT")
        #expect(NearMiss.suggestion(for: "CACHEKIT_DATABASE", among: known) == nil)
    }
}
