import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Testing

/// What a cache's memory shows of another's changes while rows of the file are altered.
@Suite struct FollowingTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private struct Opened: LocalStoreProvider {
        let store: SQLiteStore
        func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { store }
    }

    private func cache(_ store: SQLiteStore, _ log: LogRecorder) async throws -> Cache {
        var configuration = CacheConfiguration()
        configuration.clock = fixture.clock
        configuration.logger = log.logger
        return try await Cache(
            local: Opened(store: store), encryption: .secure(key: .keyring(Keyring(current: fixture.masterKey))),
            configuration: configuration)
    }

    private func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if try await condition() { return true }
            await Task.yield()
        }
        return false
    }

    @Test(arguments: [
        "expires_at = expires_at + 1", "sealed_meta = zeroblob(20)", "key_hash = zeroblob(32)", "origin = 1",
        "change_seq = 9000000000000000000",
    ])
    func `an altered row does not keep later changes of others from memory`(assignment: String) async throws {
        let log = LogRecorder()
        let cache = try await cache(fixture.open(), log)
        let other = try await self.cache(fixture.open(), LogRecorder())
        let values = cache.namespace("n", of: Int.self)
        let others = other.namespace("n", of: Int.self)
        for number in 0..<9 { try await values.set(1, for: "key\(number)") }
        let run = Task { await cache.run() }
        // Maintenance, coherence, removals, metrics.
        #expect(await eventually { fixture.clock.sleeperCount == 4 })
        for round in 2...4 {
            try await others.set(round, for: "key0")
            let altered = try await other.localStatistics()?.lastSequence.number ?? 0
            try runSQL(fixture.path, "UPDATE entries SET \(assignment) WHERE change_seq = \(altered)")
            try await others.set(round, for: "key1")
            #expect(try await values.get("key1") == round - 1)
            fixture.clock.advance(by: .milliseconds(50))
            #expect(try await eventually { try await values.get("key1") == round }, "round \(round)")
            // The older value of the key that was altered is not served either, wherever its row tells that it changed.
            if !assignment.hasPrefix("change_seq") {
                #expect(try cache.memoryEntry(for: CacheKey("n:key0")) == nil, "round \(round)")
            }
            // Put in order again for the next round.
            try runSQL(
                fixture.path, "DELETE FROM entries WHERE change_seq >= \(altered) AND change_seq <> \(altered + 1)")
            #expect(await eventually { fixture.clock.sleeperCount == 4 })
            // A read that met the following halfway fills nothing; this one does.
            #expect(try await values.get("key1") == round)
        }
        run.cancel()
        await run.value
        await cache.shutdown()
        await other.shutdown()
    }

    @Test(arguments: [63, 1])
    func `the feed of keys goes past altered rows and counts them, with collisions too`(hashBits: Int) async throws {
        let store = try await fixture.open { $0.hashBits = hashBits }
        for number in 1...9 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        for table in ["entries", "overflow"] {
            try runSQL(fixture.path, "UPDATE \(table) SET expires_at = expires_at + 1 WHERE change_seq IN (3, 7)")
        }
        for limit in [1, 2, 4, 100] {
            var sequences: [UInt64] = []
            var unreadable = 0
            var seen = ChangeSequence.zero
            while seen.number < 9 {
                let page = try await store.changedKeys(after: seen, limit: limit)
                try #require(page.through > seen)
                #expect(page.keys.count + page.unreadable <= limit)
                #expect(page.keys.map(\.key.string) == page.keys.map { "key\($0.sequence.number)" })
                sequences += page.keys.map(\.sequence.number)
                unreadable += page.unreadable
                seen = page.through
            }
            #expect(sequences == [1, 2, 4, 5, 6, 8, 9])
            #expect(unreadable == 2)
        }
        await store.close()
    }

    @Test func `a value is not read for the feed of keys`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("key", [UInt8](repeating: 7, count: 50_000))])
        try runSQL(fixture.path, "UPDATE entries SET value = zeroblob(9)")
        let page = try await store.changedKeys(after: .zero, limit: 9)
        #expect(page.keys.map(\.key.string) == ["key"])
        await store.close()
    }
}
