import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// Rows that are kept beyond the life of their value, and rows that say that there is none.
@Suite struct StaleRowTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func maintain(_ store: SQLiteStore) async throws { while try await store.maintain() {} }

    private func negative(_ key: String) throws -> RemoteFill {
        var change = try fixture.put(key, [])
        change.isNegative = true
        return RemoteFill(change: change, expected: nil)
    }

    @Test func `a stale row is swept when it expires, and not before`() async throws {
        let store = try await fixture.open()
        var change = try fixture.put("k", [1], seconds: 600)
        change.staleAt = fixture.clock.now().advanced(by: .seconds(10))
        let sequence = try await store.commit([change])[0]
        try await store.settle(Settlement(through: sequence))
        fixture.clock.advance(by: .seconds(599))
        try await maintain(store)
        #expect(try await store.value("k") == [1])
        fixture.clock.advance(by: .seconds(1))
        try await maintain(store)
        #expect(try await store.read([CacheKey("k")])[0] == nil)
    }

    @Test func `negative results pass every check, stay over a rotation, and keep no key from being retired`()
        async throws
    {
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: MasterKey.generate(), previous: [fixture.masterKey])
        let store = try await fixture.open(keyring: old)
        #expect(try await store.fill([negative("none")]) == [true])
        try await store.fill([RemoteFill(change: fixture.sealedPut("some", "text", old), expected: nil)])
        #expect(try await store.verify().isClean)
        #expect(try await store.statistics().rowsByFingerprint == [old.fingerprints[0]: 1])
        await store.close()
        let rotating = try await fixture.open(keyring: both)
        let report = try await fixture.cache(rotating, both).reseal()
        #expect(report.resealed == 1 && report.unopened == 0 && report.unreadable == 0)
        try await rotating.retire([old.fingerprints[0]])
        await rotating.close()
        let rotated = try await fixture.open(keyring: Keyring(current: both.current))
        let row = try #require(try await rotated.read([CacheKey("none")])[0])
        #expect(row.isNegative && row.value == [])
        #expect(try await rotated.verify().isClean)
        await rotated.close()
    }

    @Test func `a negative result is nothing to list, to show or to export`() async throws {
        let keyring = try Keyring(current: fixture.masterKey)
        let store = try await fixture.open(keyring: keyring)
        try await store.fill([negative("none")])
        let cache = try await fixture.cache(store, keyring)
        let entries = try await cache.localEntries(after: .zero, limit: 10)
        #expect(entries.count == 1 && entries[0].isNegative)
        #expect(try cache.document(of: entries[0]) == nil)
        await cache.shutdown()
    }
}
