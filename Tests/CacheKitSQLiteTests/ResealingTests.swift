import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

/// The second step of a rotation: values move under the current key.
@Suite struct ResealingTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let old: Keyring
    let both: Keyring
    let new: Keyring

    init() throws {
        old = try Keyring(current: fixture.masterKey)
        new = try Keyring(current: MasterKey.generate())
        both = try Keyring(current: new.current, previous: [fixture.masterKey])
    }

    @Test(arguments: [63, 4])
    func `settled values are sealed under the current key, and nothing else of their rows changes`(hashBits: Int)
        async throws
    {
        let store = try await fixture.open { $0.hashBits = hashBits }
        for number in 0..<100 { try await store.commit([fixture.sealedPut("k\(number)", "v\(number)", old)]) }
        try await store.settle(Settlement(through: ChangeSequence(90)))
        await store.close()

        let rotating = try await fixture.open(keyring: both) { $0.hashBits = hashBits }
        let before = try await rotating.changes(after: .zero, origin: nil, limit: 1000, byteLimit: 1 << 20)
        let cache = try await fixture.cache(rotating, both)
        var steps: [Int] = []
        let report = try await cache.reseal { steps.append($0.resealed) }
        #expect(report.scanned == 100)
        #expect(report.resealed == 90)
        #expect(report.waiting == 10)
        #expect(report.unopened + report.unreadable + report.overtaken == 0)
        #expect(steps.count > 1 && steps.last == 90, "progress is told on the way")
        let after = try await rotating.changes(after: .zero, origin: nil, limit: 1000, byteLimit: 1 << 20)
        #expect(after.map(\.entry.sequence) == before.map(\.entry.sequence))
        #expect(after.map(\.entry.version) == before.map(\.entry.version))
        #expect(after.map(\.entry.expiresAt) == before.map(\.entry.expiresAt))
        #expect(after.map(\.entry.origin) == before.map(\.entry.origin))
        for number in 0..<100 {
            let ring = number < 90 ? new : old
            #expect(try await fixture.opened("k\(number)", in: rotating, ring) == "v\(number)")
        }
        #expect(try await rotating.verify().isClean)
        // What waited is taken once it is settled.
        try await rotating.settle(Settlement(through: ChangeSequence(100)))
        #expect(try await cache.reseal().resealed == 10)
        #expect(try await cache.reseal().resealed == 0)
        #expect(try await rotating.statistics().rowsByFingerprint == [both.fingerprints[0]: 100])
        await cache.shutdown()
    }

    /// The base and the tag of the value of a row.
    private func base(
        _ key: String, _ store: SQLiteStore
    ) async throws -> (base: [ValueFingerprint], tag: [ValueFingerprint]) {
        let row = try #require(try await store.read([CacheKey(key)])[0])
        return (row.base, [try #require(ValueFingerprint(bytes: row.value?.suffix(16) ?? []))])
    }

    @Test func `the base of a row that was sealed anew says what Redis still holds`() async throws {
        let store = try await fixture.open(keyring: both)
        let written = try await store.commit([fixture.sealedPut("written", "1", old)])[0]
        try await store.settle(Settlement(through: written))
        try await store.fill([RemoteFill(change: fixture.sealedPut("filled", "2", old), expected: nil)])
        let names = ["written", "filled"]
        var held: [[ValueFingerprint]] = []
        for name in names { held.append(try await base(name, store).tag) }
        let cache = try await fixture.cache(store, both)
        #expect(try await cache.reseal().resealed == 2)
        for (name, tag) in zip(names, held) {
            #expect(try await base(name, store).base == tag)
            #expect(try await base(name, store).tag != tag)
        }
        // A second rotation, and Redis still holds what the first key sealed.
        let third = try Keyring(current: MasterKey.generate(), previous: [new.current, fixture.masterKey])
        let next = try await fixture.open(keyring: third)
        let nextCache = try await fixture.cache(next, third)
        #expect(try await nextCache.reseal().resealed == 2)
        for (name, tag) in zip(names, held) { #expect(try await base(name, next).base == tag) }
        // An overwrite comes after what Redis holds, not after what was never sent.
        try await next.commit([fixture.sealedPut("written", "3", third), fixture.sealedPut("filled", "4", third)])
        for (name, tag) in zip(names, held) { #expect(try await base(name, next).base == tag) }
        // And once that is settled, the new value is what Redis holds.
        try await next.settle(Settlement(through: ChangeSequence(4)))
        let tag = try await base("written", next).tag
        try await next.commit([fixture.sealedPut("written", "5", third)])
        #expect(try await base("written", next).base == tag)
        await nextCache.shutdown()
        await cache.shutdown()
    }

    @Test func `in a file that never had a remote every value is sealed anew, and its base stays empty`() async throws {
        let store = try await fixture.open(keyring: both, hasRemote: false)
        try await store.commit([fixture.sealedPut("k", "1", old)])
        let cache = try await fixture.cache(store, both)
        #expect(try await cache.reseal().resealed == 1)
        #expect(try await base("k", store).base.isEmpty)
        #expect(try await fixture.opened("k", in: store, new) == "1")
        await cache.shutdown()
    }

    @Test func `a value that no key opens, and a row that was altered, are counted and left`() async throws {
        let store = try await fixture.open(keyring: both)
        let stranger = try Keyring(current: MasterKey.generate())
        try await store.commit([
            fixture.sealedPut("good", "1", old), fixture.sealedPut("foreign", "2", stranger),
            fixture.sealedPut("altered", "3", old), fixture.sealedPut("late", "4", old),
        ])
        try await store.settle(Settlement(through: ChangeSequence(4)))
        try runSQL(fixture.path, "UPDATE entries SET expires_at = expires_at + 1 WHERE change_seq = 3")
        let cache = try await fixture.cache(store, both)
        let report = try await cache.reseal()
        #expect(report.resealed == 2)
        #expect(report.unopened == 1)
        #expect(report.unreadable == 1)
        #expect(try await fixture.opened("good", in: store, new) == "1")
        #expect(try await fixture.opened("late", in: store, new) == "4")
        #expect(try await fixture.opened("foreign", in: store, stranger) == "2")
        await cache.shutdown()
    }

    @Test func `a process whose current key was superseded never turns a rotation back`() async throws {
        // Step 1: the new key only opens.
        let first = try Keyring(current: fixture.masterKey, previous: [new.current])
        let behind = try await fixture.open(keyring: first)
        try await behind.commit([fixture.sealedPut("k", "1", old)])
        try await behind.settle(Settlement(through: ChangeSequence(1)))
        let behindCache = try await fixture.cache(behind, first)
        #expect(try await behindCache.reseal().resealed == 0)
        #expect(try await behind.keyUse().map(\.standing) == [.current, .upcoming])
        // Step 2: another process promotes it.
        let ahead = try await fixture.open(keyring: both)
        let aheadCache = try await fixture.cache(ahead, both)
        #expect(try await aheadCache.reseal().resealed == 1)
        #expect(await code { try await behindCache.reseal() } == .wrongMasterKey)
        let turned = ResealedValue(
            key: try CacheKey("k"), value: [1], fingerprint: try old.fingerprints[0], expected: ChangeSequence(1))
        #expect(await code { try await behind.reseal([turned]) } == .wrongMasterKey)
        // It reads what the new key sealed, and goes on writing under its own until it is retired.
        #expect(try await fixture.opened("k", in: behind, first) == "1")
        try await behind.commit([fixture.sealedPut("k", "2", old)])
        #expect(try await fixture.opened("k", in: ahead, both) == "2")
        // Opening once more with the old key as the current one does not promote it again.
        let again = try await fixture.open(keyring: first)
        #expect(try await again.keyUse().first?.fingerprint == both.fingerprints[0])
        await again.close()
        await behindCache.shutdown()
        await aheadCache.shutdown()
    }
}
