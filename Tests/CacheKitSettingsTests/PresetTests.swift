import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKit
@testable import CacheKitSettings

struct PresetTests {
    let folder: Folder

    init() throws { folder = try Folder() }

    @Test(arguments: zip(Preset.allCases, [300, 600, 600, 3600, 60]))
    func `each preset has its time to live`(preset: Preset, seconds: Int) {
        #expect(CacheSettings(preset).cache.defaultTTL == .seconds(seconds))
    }

    @Test(arguments: [Preset.minimal, .testing])
    func `a cache in memory starts with nothing but its preset`(preset: Preset) async throws {
        let clock = ManualClock()
        var settings = CacheSettings(preset)
        settings.cache.clock = clock
        let cache = try await Cache(settings)
        let texts = cache.namespace("texts", of: String.self)
        try await texts.set("ada", for: "1")
        #expect(cache.memoryEntry(for: try CacheKey("texts:1"))?.form == .plain)
        clock.advance(by: settings.cache.defaultTTL - .milliseconds(1))
        #expect(try await texts.get("1") == "ada")
        clock.advance(by: .milliseconds(1))
        #expect(try await texts.get("1") == nil)
        await cache.shutdown()
    }

    @Test func `the time to live of a namespace goes over the preset's, and that of a call over both`() async throws {
        let clock = ManualClock()
        var settings = CacheSettings(.testing)
        settings.cache.clock = clock
        let cache = try await Cache(settings)
        let texts = cache.namespace("texts", of: String.self, ttl: .seconds(120))
        try await texts.set("namespace", for: "1")
        try await texts.set("call", for: "2", ttl: .seconds(180))
        clock.advance(by: .seconds(119))
        #expect(try await texts.get("1") == "namespace")
        clock.advance(by: .seconds(1))
        #expect(try await texts.get("1") == nil)
        #expect(try await texts.get("2") == "call")
        await cache.shutdown()
    }

    @Test func `testing looks at no environment and no file`() async throws {
        let settings = CacheSettings.environment(
            .testing, file: folder.path + "/missing.json",
            variables: ["CACHEKIT_DATABASE": folder.path + "/cache.db", "CACHEKIT_NONSENSE": "1"])
        #expect(settings.problems.isEmpty)
        #expect(settings.database == nil)
        #expect(await refusal(settings) == nil)
        #expect(await refusal(CacheSettings(file: folder.path + "/missing.json", preset: .testing)) == nil)
        #expect(folder.names.isEmpty)
    }

    @Test func `production asks for a tier and for secure or plain, and says both at once`() async throws {
        let error = try #require(await refusal(CacheSettings(.production)))
        #expect(error.code == .invalidConfiguration)
        #expect(error.mistakes.count == 2)
        #expect(error.mistakes.name("CACHEKIT_DATABASE", "CACHEKIT_REDIS_URL"))
        #expect(error.mistakes.name("CACHEKIT_ENCRYPTION", "secure", "plain"))
    }

    @Test func `a key in the environment never turns encryption on`() async throws {
        let variables = ["CACHEKIT_MASTER_KEY": masterKeyHex, "CACHEKIT_REDIS_URL": "redis://localhost"]
        let unsaid = CacheSettings.environment(.production, variables: variables)
        #expect(unsaid.problems.count == 1)
        #expect(unsaid.problems.name("CACHEKIT_ENCRYPTION"))

        let plain = CacheSettings.environment(
            .production, variables: variables.merging(["CACHEKIT_ENCRYPTION": "plain"]) { $1 })
        #expect(plain.plan().encryption?.choice == .plain)
        #expect(plain.problems.isEmpty)

        let minimal = try await Cache(
            CacheSettings.environment(.minimal, variables: ["CACHEKIT_MASTER_KEY": masterKeyHex]))
        try await minimal.namespace("texts", of: String.self).set("ada", for: "1")
        #expect(minimal.memoryEntry(for: try CacheKey("texts:1"))?.form == .plain)
        await minimal.shutdown()
    }

    @Test func `secure refuses to start without a key, and to be made plain`() async throws {
        #expect(await refusal(CacheSettings(.secure))?.mistakes.count == 1)
        let bare = try #require(await refusal(.environment(.secure, variables: [:])))
        #expect(bare.code == .invalidConfiguration)
        #expect(bare.mistakes.count == 1 && bare.mistakes.name("CACHEKIT_MASTER_KEY"))
        let plain = try #require(
            await refusal(
                .environment(
                    .secure, variables: ["CACHEKIT_MASTER_KEY": masterKeyHex, "CACHEKIT_ENCRYPTION": "plain"])))
        #expect(plain.mistakes.count == 1 && plain.mistakes.name("CACHEKIT_ENCRYPTION", "secure"))
        var wrong = CacheSettings(.secure)
        wrong.encryption = .plain
        wrong.key = .key(try MasterKey.generate())
        #expect(await refusal(wrong) != nil)
    }

    @Test func `neither environment nor file choose another preset than the program`() async throws {
        let file = try folder.write("settings.json", #"{"preset": "minimal"}"#)
        let problems = CacheSettings.environment(
            .secure, file: file, variables: ["CACHEKIT_PRESET": "testing", "CACHEKIT_MASTER_KEY": masterKeyHex]
        ).problems
        #expect(problems.count == 2)
        #expect(problems.name("preset (line 1)") && problems.name("CACHEKIT_PRESET"))
        let named = CacheSettings.environment(
            file: file, variables: ["CACHEKIT_PRESET": "secure", "CACHEKIT_MASTER_KEY": masterKeyHex])
        #expect(named.problems.isEmpty)
        #expect(named.preset == .secure)
        #expect(CacheSettings.environment(variables: [:]).problems.name("CACHEKIT_PRESET"))
    }

    @Test func `a memory tier that would drop values unseen is refused where there is no other`() throws {
        var settings = CacheSettings(.minimal)
        settings.cache.memory.maximumBytes = 0
        #expect(settings.problems.count == 1 && settings.problems.name("memory.maximum_bytes", "nothing would be kept"))
        settings.cache.memory.maximumBytes = 16 << 20
        #expect(settings.problems.isEmpty)
        settings.cache.maximumValueBytes = 3 << 20
        #expect(settings.problems.count == 1 && settings.problems.name("maximum_value_bytes", "dropped"))
    }

    @Test(arguments: [Preset.minimal, .secure, .testing])
    func `where memory is all there is, the largest value is kept and a larger one is refused`(preset: Preset)
        async throws
    {
        var settings = CacheSettings(preset)
        if preset == .secure { settings.key = .key(try MasterKey.generate()) }
        settings.cache.memory.maximumBytes = 2 << 20
        settings.cache.memory.shards = 2
        let limit = settings.resolved.cache.maximumValueBytes
        #expect(limit > 900 << 10)
        let cache = try await Cache(settings)
        var random = SeededRandom(seed: 3)
        // Five bytes are the header.
        let largest = (0..<limit - 5).map { _ in UInt8.random(in: 0...255, using: &random) }
        let key = String(repeating: "k", count: 1024)
        try await cache.bytes.set(largest, for: key)
        #expect(try await cache.bytes.get(key) == largest)
        do throws(CacheError) {
            try await cache.bytes.set(largest + [0], for: key)
            Issue.record("a value was taken that can't be kept")
        } catch {
            #expect(error.code == .valueTooLarge)
        }
        await cache.shutdown()
    }
}
