import CacheKitCore
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKit
@testable import CacheKitSettings

/// What is written offline waits for its first send, however long there is no Redis, and lives from then on.
struct OfflineTests {
    let folder: Folder
    let clock = ManualClock()

    init() throws { folder = try Folder() }

    private func settings(_ adjust: (inout CacheSettings) -> Void = { _ in }) throws -> CacheSettings {
        var settings = CacheSettings(.offline)
        settings.database = folder.path + "/cache.db"
        settings.key = .key(try MasterKey(hex: masterKeyHex))
        settings.cache.clock = clock
        adjust(&settings)
        return settings
    }

    /// The file with a remote, as a program opens it that has never heard of the preset.
    private func online(
        _ remote: SimulatedRemoteStore, _ file: String = "cache.db", _ policy: SyncPolicy = .init()
    ) async throws -> Cache {
        var configuration = CacheConfiguration()
        configuration.clock = clock
        var sync = SyncConfiguration()
        sync.policy = policy
        return try await Cache(
            local: .sqlite(path: "\(folder.path)/\(file)"), remote: remote, sync: .writeBehind(sync),
            encryption: .secure(key: .key(try MasterKey(hex: masterKeyHex))), configuration: configuration)
    }

    /// A push under this clock, which moves as real time does until it ends.
    private func push(_ cache: Cache) async throws -> SyncStatus? {
        let clock = clock
        let moving = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .milliseconds(1))
                clock.advance(by: .milliseconds(1))
            }
        }
        defer { moving.cancel() }
        return await cache.push(deadline: .seconds(30))
    }

    @Test func `a write whose time ended offline is sent at the first send, and its life begins then`() async throws {
        let cache = try await Cache(try settings())
        let texts = cache.namespace("texts", of: String.self, ttl: .seconds(60))
        try await texts.set("ada", for: "1")
        clock.advance(by: .seconds(86_400))
        #expect(try await texts.get("1") == nil, "its time is over here")
        // Sweeping passes it over.
        for _ in 0..<50 { _ = try await cache.local?.maintain() }
        #expect(try await cache.localStatistics()?.entries == 1)
        await cache.shutdown()

        let remote = SimulatedRemoteStore(clock: clock)
        let online = try await online(remote)
        #expect(try await push(online)?.outcomes.applied == 1)
        let key = try CacheKey("texts:1")
        #expect(remote.value(of: key) != nil)
        let end = try #require(remote.expiry(of: key))
        #expect((.seconds(57) ... .seconds(60)).contains(clock.now().duration(to: end)))
        #expect(try await online.namespace("texts", of: String.self).get("1") == "ada")
        await online.shutdown()
    }

    @Test func `without the preset such a write has expired`() async throws {
        let cache = try await Cache(try settings { $0.sqlite.pendingKeepsAlive = false })
        try await cache.namespace("texts", of: String.self, ttl: .seconds(60)).set("ada", for: "1")
        clock.advance(by: .seconds(86_400))
        await cache.shutdown()
        let remote = SimulatedRemoteStore(clock: clock)
        let online = try await online(remote)
        #expect(try await push(online)?.outcomes.expired == 1)
        #expect(remote.value(of: try CacheKey("texts:1")) == nil)
        await online.shutdown()
    }

    @Test func `a write that was overwritten or deleted offline is sent as it is then`() async throws {
        let cache = try await Cache(try settings())
        let texts = cache.namespace("texts", of: String.self, ttl: .seconds(60))
        try await texts.set("first", for: "1")
        try await texts.set("second", for: "1")
        try await texts.set("gone", for: "2")
        try await texts.delete("2")
        clock.advance(by: .seconds(3600))
        await cache.shutdown()
        let remote = SimulatedRemoteStore(clock: clock)
        let online = try await online(remote)
        _ = try await push(online)
        #expect(try await online.namespace("texts", of: String.self).get("1") == "second")
        #expect(remote.value(of: try CacheKey("texts:2")) == nil)
        await online.shutdown()
    }

    @Test func `where such a write wins over a newer one it has its whole life, too`() async throws {
        let cache = try await Cache(try settings())
        try await cache.namespace("texts", of: String.self, ttl: .seconds(60)).set("ada", for: "1")
        await cache.shutdown()
        clock.advance(by: .seconds(3600))
        let remote = SimulatedRemoteStore(clock: clock)
        let other = try await online(remote, "other.db")
        try await other.namespace("texts", of: String.self).set("grace", for: "1")
        #expect(try await push(other)?.outcomes.applied == 1)
        await other.shutdown()
        remote.reopen()
        clock.advance(by: .seconds(1))
        var policy = SyncPolicy()
        policy.stale = .localWins
        let online = try await online(remote, "cache.db", policy)
        #expect(try await push(online)?.outcomes.applied == 1)
        let end = try #require(remote.expiry(of: try CacheKey("texts:1")))
        #expect((.seconds(57) ... .seconds(60)).contains(clock.now().duration(to: end)))
        #expect(try await online.namespace("texts", of: String.self).get("1") == "ada")
        await online.shutdown()
    }

    @Test func `a full file refuses writes and keeps every one that it took`() async throws {
        let cache = try await Cache(
            try settings {
                $0.sqlite.sizeLimit = 2 << 20
                $0.cache.maximumValueBytes = 64 << 10
            })
        var random = SeededRandom(seed: 7)
        let values = (0..<200).map { _ in (0..<32 << 10).map { _ in UInt8.random(in: 0...255, using: &random) } }
        var taken = 0
        var refused: CacheError.Code?
        for (index, value) in values.enumerated() where refused == nil {
            do throws(CacheError) {
                try await cache.bytes.set(value, for: "\(index)")
                taken += 1
            } catch {
                refused = error.code
            }
        }
        #expect(refused == .backPressure)
        #expect(taken > 20 && taken < 100)
        #expect(try await cache.localStatistics()?.entries == taken)
        #expect(try await cache.bytes.get("0") == values[0])
        await cache.shutdown()
    }

    @Test func `with Redis in the settings the engine keeps such writes alive, too, and is told when too many wait`()
        throws
    {
        let settings = try settings { $0.setRedis(url: "redis://localhost") }
        #expect(settings.problems.isEmpty)
        #expect(settings.sync.policy.pendingKeepsAlive)
        #expect(settings.sync.backPressure.response == .reject)
        let bytes = try #require(settings.sync.backPressure.bytes)
        #expect(bytes < settings.sqlite.sizeLimit)
    }
}
