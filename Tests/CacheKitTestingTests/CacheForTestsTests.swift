import CacheKit
import CacheKitSync
import CacheKitTesting
import Testing

/// `Cache.testing`, as somebody who tests a service of their own uses it.
@Suite(.timeLimit(.minutes(1))) struct CacheForTestsTests {
    private struct User: Codable, Sendable, Equatable { var id: Int, name: String }

    @Test(arguments: [TestEncryption.secure, .plain])
    func `values live in memory for a minute of the clock`(encryption: TestEncryption) async throws {
        let (cache, clock) = try await Cache.testing(encryption)
        let users = cache.namespace("users", of: User.self)
        let ada = User(id: 1, name: "Ada")
        try await users.set(ada, for: "1")
        clock.advance(by: .seconds(60) - .milliseconds(1))
        #expect(try await users.get("1") == ada)
        clock.advance(by: .milliseconds(1))
        #expect(try await users.get("1") == nil)
        let stored = try #require(
            try cache.memoryEntry(for: CacheKey("users:1")) == nil ? try await stored(ada, in: cache) : nil)
        #expect(stored.contains("Ada") == (encryption == .plain))
    }

    private func stored(_ user: User, in cache: Cache) async throws -> String {
        try await cache.namespace("users", of: User.self).set(user, for: "2")
        let entry = try #require(try cache.memoryEntry(for: CacheKey("users:2")))
        return String(decoding: entry.bytes, as: UTF8.self)
    }

    @Test func `two caches have nothing in common, and the configuration can be adjusted`() async throws {
        let first = try await Cache.testing().cache
        let second = try await Cache.testing(ttl: .seconds(5)) { $0.maximumValueBytes = 10 }.cache
        try await first.bytes.set([1], for: "k")
        #expect(try await second.bytes.get("k") == nil)
        await #expect(throws: CacheError.self) {
            try await second.bytes.set([UInt8](repeating: 1, count: 11), for: "k")
        }
    }

    @Test func `what is written moves from tier to tier when the test says so`() async throws {
        let clock = ManualClock()
        let local = SimulatedLocalStore(clock: clock)
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, local: local, remote: remote)
        let users = cache.namespace("users", of: User.self)
        try await users.set(User(id: 1, name: "Ada"), for: "1")
        #expect(local.file.rows.count == 1 && remote.count == 0)
        remote.setOutage(.unavailable)
        #expect(await cache.push(deadline: .seconds(1), retrying: false)?.backlog.changes == 1)
        remote.recover()
        #expect(await cache.push(deadline: .seconds(1), retrying: false)?.backlog.changes == 0)
        #expect(remote.count == 1 && clock.sleeperCount == 0)
    }

    @Test func `nodes of one remote share a key, and each hears what the other wrote when it asks`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let key = try MasterKey.generate()
        let one = try await Cache.testing(key: key, clock: clock, remote: remote)
        let two = try await Cache.testing(
            key: key, clock: clock, local: SimulatedLocalStore(clock: clock, file: SimulatedFile(node: 2)),
            remote: remote)
        try await one.bytes.set([1, 2], for: "k")
        #expect(try await two.bytes.get("k") == [1, 2])
        let stranger = try await Cache.testing(clock: clock, remote: remote)
        await #expect(throws: CacheError.self) { try await stranger.bytes.get("k") }
    }

    @Test func `a file outlives its cache, and a remote is opened again`() async throws {
        let clock = ManualClock()
        let key = try MasterKey.generate()
        let local = SimulatedLocalStore(clock: clock)
        let remote = SimulatedRemoteStore(clock: clock)
        let first = try await Cache.testing(key: key, clock: clock, local: local, remote: remote)
        try await first.bytes.set([1], for: "k")
        await first.shutdown()
        #expect(local.isClosed && remote.isClosed && remote.count == 1)
        remote.reopen()
        let second = try await Cache.testing(
            key: key, clock: clock, local: SimulatedLocalStore(clock: clock, file: local.file), remote: remote)
        #expect(try await second.bytes.get("k") == [1])
        #expect(try await second.health().warnings.isEmpty == (second.syncStatus() == nil))
    }

    @Test func `a running cache goes on when the clock does`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote)
        remote.setOutage(.unavailable)
        try await cache.running(drain: .zero) {
            try await cache.bytes.set([1], for: "k")
            // The engine backs off, the rest waits for its next turn.
            try await clock.waitForSleepers(4)
            remote.recover()
            while remote.count == 0 {
                clock.advance(by: .seconds(10))
                await Task.yield()
            }
        }
        #expect(remote.value(of: try CacheKey("k")) != nil)
    }

    @Test func `a lock is exclusive, and taken away with everything else`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, remote: remote)
        let locks = cache.namespace("jobs", of: Int.self)
        let done = try await locks.withLock(for: "nightly") {
            do {
                return try await locks.withLock(for: "nightly", wait: .zero) { false }
            } catch let error as CacheError {
                return error.code == .lockHeld
            }
        }
        #expect(done)
        #expect(try await locks.withLock(for: "nightly") { 3 } == 3)
        do {
            try await locks.withLock(for: "nightly") { remote.loseEverything() }
            Issue.record("the lock was not lost")
        } catch let error as CacheError {
            #expect(error.code == .lockLost)
        }
    }
}
