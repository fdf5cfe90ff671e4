import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Foundation
import Testing

@testable import CacheKitSettings

struct NameTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    @Test func `names and variables are each there once`() {
        #expect(Set(Setting.all.map(\.variable)).count == Setting.all.count)
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
        #expect(Setting.byName["redis.url"]?.variable == "CACHEKIT_REDIS_URL")
        #expect(Setting.byName["sync.back_pressure.changes"]?.variable == "CACHEKIT_SYNC_BACK_PRESSURE_CHANGES")
    }

    /// What the command has called by these names since before.
    private static let shortNames: Set<String> = [
        "database", "redis.url", "redis.ca", "redis.cert", "redis.key", "redis.server_name", "redis.minimum_tls",
    ]

    @Test func `a name is that of its property`() {
        for setting in Setting.all where !Self.shortNames.contains(setting.name) {
            let property =
                setting.property.hasPrefix("cache.") ? String(setting.property.dropFirst(6)) : setting.property
            let name = property.reduce(into: "") { name, character in
                // An abbreviation is one word.
                let isStart = character.isUppercase && !(name.last?.isUppercase ?? true)
                name += isStart ? "_\(character)" : "\(character)"
            }.lowercased()
            #expect(setting.name == name)
        }
    }

    @Test(arguments: Setting.all.map(\.name))
    func `what is set by a name is read back, from the environment and from a file`(name: String) throws {
        let setting = try #require(Setting.byName[name])
        let expected = setting.example
        let environment = CacheSettings.environment(.production, variables: [setting.variable: setting.example])
        #expect(setting.read(environment) == expected)
        #expect(environment.mistakes.isEmpty, "\(environment.mistakes)")
        var json = MessagePackValue.string(setting.example)
        for part in name.split(separator: ".").reversed() {
            json = .map([MessagePackValue.Entry(key: String(part), value: json)])
        }
        let path = try folder.write("settings.json", String(decoding: json.json, as: UTF8.self))
        let file = CacheSettings(file: path, preset: .production)
        #expect(setting.read(file) == expected)
        #expect(file.mistakes.isEmpty, "\(file.mistakes)")
        // Nothing else was touched.
        let base = CacheSettings(.production)
        for other in Setting.all where other.name != name && !other.name.hasPrefix("sync.back_pressure.") {
            #expect(other.read(environment) == other.read(base), "\(other.name)")
        }
        // Something that is not what it is already, or the test shows nothing.
        #expect(expected != setting.read(base), "\(name)")
    }

    @Test func `numbers and truth values of JSON are taken as they are`() throws {
        let path = try folder.write(
            "settings.json",
            """
            {"default_ttl": 90, "memory": {"shards": 8}, "sqlite": {"reads_on_own_threads": true},
             "redis": {"followed_prefixes": ["users:", "cards:"]}}
            """)
        let settings = CacheSettings(file: path, preset: .production)
        #expect(settings.cache.defaultTTL == .seconds(90))
        #expect(settings.cache.memory.shards == 8)
        #expect(settings.sqlite.readsOnOwnThreads)
        #expect(settings.redis.followedPrefixes == ["users:", "cards:"])
        #expect(settings.mistakes.isEmpty)
    }

    /// Of each configuration what is for code only, or a group of others.
    private static let codeOnly: [String: Set<String>] = [
        "cache": ["memory", "reconciling", "loading", "jitter", "clock", "sharedWorkExecutor", "logger"],
        "cache.memory": [], "cache.loading": [], "cache.reconciling": [],
        "sqlite": [
            "path", "hashBits", "maximumPageCount", "pageSize", "vfs", "migrations", "machineIDPath", "bootIDPath",
        ],
        "sync": ["jitter", "policy", "namespacePolicies", "backPressure"], "sync.policy": [], "sync.backPressure": [],
    ]

    @Test func `every property of a configuration has a name, or is known to be for code only`() throws {
        let settings = CacheSettings(.production)
        let configurations: [(String, Any)] = [
            ("cache", settings.cache), ("cache.memory", settings.cache.memory),
            ("cache.loading", settings.cache.loading),
            ("cache.reconciling", settings.cache.reconciling), ("sqlite", settings.sqlite), ("sync", settings.sync),
            ("sync.policy", settings.sync.policy), ("sync.backPressure", settings.sync.backPressure),
        ]
        let named = Set(Setting.all.map(\.property))
        for (path, configuration) in configurations {
            let labels = Mirror(reflecting: configuration).children.compactMap(\.label)
            #expect(!labels.isEmpty)
            let known = try #require(Self.codeOnly[path])
            for label in labels where !named.contains("\(path).\(label)") {
                #expect(known.contains(label), "\(path).\(label) has no name in Setting")
            }
        }
        // Redis shows nothing of itself, so its source is read.
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(
            contentsOf: root.appending(path: "Sources/CacheKitRedis/RedisConfiguration.swift"), encoding: .utf8)
        let properties = source.split(separator: "\n").filter { $0.hasPrefix("    public var ") && !$0.hasSuffix("{") }
            .map { String($0.dropFirst("    public var ".count).prefix { $0.isLetter }) }
        #expect(properties.count > 12)
        let code: Set<String> = [
            "credentials", "sentinelCredentials", "tls", "description", "debugDescription", "customMirror",
        ]
        for property in properties where !named.contains("redis.\(property)") {
            #expect(code.contains(property), "redis.\(property) has no name in Setting")
        }
    }
}
