import CacheKit
import CacheKitCore
import CacheKitSQLite
import Foundation
import Testing

/// The third step of a rotation: the file is shut to the old key.
@Suite struct RetirementTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let old: Keyring
    let both: Keyring
    let new: Keyring
    let oldKey: KeyFingerprint

    init() throws {
        old = try Keyring(current: fixture.masterKey)
        new = try Keyring(current: MasterKey.generate())
        both = try Keyring(current: new.current, previous: [fixture.masterKey])
        oldKey = try old.fingerprints[0]
    }

    private func wrapCount() throws -> Int {
        try readSQL(fixture.path, "SELECT name FROM meta WHERE name GLOB 'wrap:*'").count
    }

    private func openingFails(_ keyring: Keyring) async -> CacheError.Code? {
        await code {
            let store = try await fixture.open(keyring: keyring)
            await store.close()
        }
    }

    @Test func `look-ups survive a rotation without one row being rewritten`() async throws {
        let store = try await fixture.open(keyring: old)
        for number in 0..<50 { try await store.commit([fixture.put("k\(number)", [UInt8(number)])]) }
        await store.close()
        let rows = "SELECT * FROM entries ORDER BY id"
        let before = try readSQL(fixture.path, rows)
        let rotating = try await fixture.open(keyring: both)
        #expect(try wrapCount() == 2)
        try await rotating.retire([oldKey])
        #expect(try wrapCount() == 1)
        await rotating.close()
        let store2 = try await fixture.open(keyring: new)
        for number in 0..<50 { #expect(try await store2.value("k\(number)") == [UInt8(number)]) }
        await store2.close()
        #expect(try readSQL(fixture.path, rows) == before)
    }

    @Test func `a key that was retired opens the file no more, and no ring brings it back`() async throws {
        let store = try await fixture.open(keyring: old)
        try await store.commit([fixture.put("k", [1])])
        await store.close()
        let rotating = try await fixture.open(keyring: both)
        try await rotating.retire([oldKey])
        #expect(try await rotating.keyUse().map(\.standing) == [.current, .retired])
        await rotating.close()
        #expect(await openingFails(old) == .wrongMasterKey)
        // The ring that still holds it opens the file by its other key, and adds no wrap.
        let lagging = try await fixture.open(keyring: both)
        #expect(try await lagging.value("k") == [1])
        #expect(try wrapCount() == 1)
        await lagging.close()
        // A key only goes forward: it can't be made current again either.
        let back = try Keyring(current: fixture.masterKey, previous: [new.current])
        #expect(await openingFails(back) == .wrongMasterKey)
        #expect(try wrapCount() == 1)
        #expect(await openingFails(new) == nil)
        // While a key that is yet to come gets its wrap, decrypt-only though it is.
        let next = try Keyring(current: new.current, previous: [MasterKey.generate(), fixture.masterKey])
        let upcoming = try await fixture.open(keyring: next)
        #expect(try wrapCount() == 2)
        #expect(try await upcoming.keyUse().map(\.standing) == [.current, .retired, .upcoming])
        await upcoming.close()
        #expect(await openingFails(try Keyring(current: next.previous[0])) == nil)
    }

    @Test func `a process that has the file open goes on reading, and seals nothing more under a retired key`()
        async throws
    {
        let open = try await fixture.open(keyring: old)
        let change = try fixture.sealedPut("k", "1", old)
        let plain = try fixture.put("plain", [1])
        let rotating = try await fixture.open(keyring: both)
        try await open.commit([plain])
        try await rotating.retire([oldKey])
        #expect(await code { try await open.commit([change]) } == .wrongMasterKey)
        #expect(try await open.fill([RemoteFill(change: change, expected: nil)]) == [false])
        #expect(try await open.read([change.key])[0] == nil)
        // Nothing but what that key seals is refused.
        #expect(try await open.value("plain") == [1])
        try await open.commit([fixture.put("plain", [2]), fixture.delete("gone")])
        try await rotating.commit([fixture.sealedPut("k", "2", new)])
        #expect(try await fixture.opened("k", in: open, both) == "2")
        await open.close()
        await rotating.close()
        #expect(await openingFails(old) == .wrongMasterKey)
    }

    @Test func `a key is not retired while anything needs it, and the refusal says what to do`() async throws {
        let store = try await fixture.open(keyring: both)
        try await store.commit([
            fixture.sealedPut("settled", "1", old), fixture.sealedPut("refused", "2", old),
            fixture.sealedPut("pending", "3", old),
        ])
        let letter = DeadLetter(
            sequence: ChangeSequence(2), key: try CacheKey("refused"), reason: CacheError(.remoteRejected, "refused"))
        try await store.settle(Settlement(through: ChangeSequence(2), deadLetters: [letter]))
        let cache = try await fixture.cache(store, both)
        func refusal() async -> String? {
            do {
                try await store.retire([oldKey])
                return nil
            } catch {
                return error.code == .keyInUse ? error.message : "\(error)"
            }
        }
        var use = try #require(try await store.keyUse().first { $0.fingerprint == oldKey })
        #expect((use.settledRows, use.pendingRows, use.setAsideRows) == (1, 1, 1))
        #expect(use.standing == .upcoming, "no process had it as its current key yet")
        let message = try #require(await refusal())
        for words in ["1 rows: run 'cachekit keys rotate'", "1 pending", "1 rows of dead letters"] {
            #expect(message.contains(words), "\(message)")
        }
        try await cache.reseal()
        try await store.settle(Settlement(through: ChangeSequence(3)))
        try await cache.reseal()
        #expect(await refusal()?.contains("1 rows of dead letters") == true)
        // Written anew, the key of the dead letter is under the new key.
        try await store.commit([fixture.sealedPut("refused", "4", new)])
        // A conflict keeps a losing value.
        try runSQL(
            fixture.path,
            """
            INSERT INTO conflicts (key_hash, change_seq, sealed_meta, key_fingerprint, value, lost_at)
            VALUES (x'00', 1, x'00', x'\(oldKey.description)', x'00', 0)
            """)
        #expect(await refusal()?.contains("1 conflicts") == true)
        try runSQL(fixture.path, "DELETE FROM conflicts")
        use = try #require(try await store.keyUse().first { $0.fingerprint == oldKey })
        #expect(use.total == 0)
        #expect(await refusal() == nil)
        await cache.shutdown()
    }

    @Test func `the current key and a key that the file never met are not retired`() async throws {
        let store = try await fixture.open(keyring: both)
        let current = try both.fingerprints[0]
        #expect(await code { try await store.retire([current]) } == .invalidArgument)
        let stranger = try Keyring(current: MasterKey.generate()).fingerprints[0]
        #expect(await code { try await store.retire([oldKey, stranger]) } == .invalidArgument)
        // All or nothing.
        #expect(try wrapCount() == 2)
        await store.close()
    }

    @Test func `a crash while a key is retired leaves it in or out, and never half`() async throws {
        let holder = try await fixture.open(keyring: both)
        try await holder.commit([fixture.put("k", [1])])
        let log = fixture.path + "-wal"
        let start = try Data(contentsOf: URL(filePath: log)).count
        try await holder.retire([oldKey])
        let whole = try Data(contentsOf: URL(filePath: log))
        try #require(whole.count > start)
        var outcomes: [CacheError.Code?] = []
        for (number, cut) in (Array(stride(from: start, to: whole.count, by: 2060)) + [whole.count]).enumerated() {
            let path = fixture.folder + "/cut\(number).db"
            try FileManager.default.copyItem(atPath: fixture.path, toPath: path)
            try whole.prefix(cut).write(to: URL(filePath: path + "-wal"))
            let outcome = await code {
                let store = try await fixture.open(keyring: old) { $0.path = path }
                await store.close()
            }
            outcomes.append(outcome)
            let store = try await fixture.open(keyring: new) { $0.path = path }
            let standings = try await store.keyUse().map(\.standing)
            #expect(standings.contains(.retired) == (outcome == .wrongMasterKey), "cut at \(cut)")
            #expect(try await store.value("k") == [1])
            await store.close()
        }
        #expect(outcomes.first == .some(nil))
        #expect(outcomes.last == .some(.wrongMasterKey))
        await holder.close()
    }
}
