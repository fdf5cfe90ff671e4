import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Testing

@Suite struct EvictionTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func fill(_ store: SQLiteStore, _ count: Int) async throws {
        for start in stride(from: 0, to: count, by: 100) {
            try await store.commit(
                try (start..<start + 100).map { try fixture.put("key\($0)", [UInt8](repeating: 1, count: 1024)) })
            fixture.clock.advance(by: .milliseconds(1))
        }
    }

    /// Fills the file under a bound that is never reached; who opens it next has a lower one.
    private func fillFile(_ count: Int, hasRemote: Bool) async throws {
        let store = try await fixture.open(hasRemote: hasRemote)
        try await fill(store, count)
        await store.close()
    }

    @Test func `a pending row is neither evicted nor swept, however old`() async throws {
        try await fillFile(2000, hasRemote: true)
        let store = try await fixture.open { $0.sizeLimit = 1 << 20 }
        fixture.clock.advance(by: .seconds(3600))
        while try await store.maintain() {}
        #expect(try await store.statistics().entries == 2000)
        let letter = DeadLetter(
            sequence: ChangeSequence(7), key: try CacheKey("key6"), reason: CacheError(.remoteRejected, "no"))
        try await store.settle(Settlement(through: ChangeSequence(1000), deadLetters: [letter]))
        while try await store.maintain() {}
        #expect(try await store.statistics().entries == 1001)
        #expect(try await store.value("key6") != nil)
        await store.close()
        // Protection lasts when the file is opened without a remote.
        let local = try await fixture.open(hasRemote: false) { $0.sizeLimit = 1 << 20 }
        while try await local.maintain() {}
        #expect(try await local.statistics().entries == 1001)
        await local.close()
    }

    @Test func `above the bound the least recently used rows go, and the file shrinks`() async throws {
        try await fillFile(4000, hasRemote: false)
        let store = try await fixture.open(hasRemote: false) { $0.sizeLimit = 2 << 20 }
        fixture.clock.advance(by: .seconds(120))
        #expect(try await store.value("key3") != nil)
        while try await store.maintain() {}
        #expect(try await store.value("key3") != nil)
        #expect(try await store.value("key4") == nil)
        #expect(try await store.value("key3999") != nil)
        await store.close()
        let closed = try await fixture.open(hasRemote: false)
        #expect(try await closed.statistics().fileBytes < 4 << 20)
        #expect(try await closed.statistics().fileBytes == closed.storedBytes)
        #expect(try await closed.verify().isClean)
        await closed.close()
    }

    @Test func `what tells of a removal is not evicted, or what was removed would come back`() async throws {
        let marker = try CacheKey(held: "users:\0a")
        let first = try await fixture.open(hasRemote: false)
        try await first.commit([
            LocalChange(
                key: marker, value: [1], form: .plain, mode: .native,
                expiresAt: fixture.clock.now().advanced(by: .seconds(7200)))
        ])
        await first.close()
        try await fillFile(4000, hasRemote: false)
        let store = try await fixture.open(hasRemote: false) { $0.sizeLimit = 2 << 20 }
        fixture.clock.advance(by: .seconds(120))
        while try await store.maintain() {}
        #expect(try await store.value("key3") == nil, "the oldest go")
        #expect(try await store.read([marker])[0]?.value == [1])
        fixture.clock.advance(by: .seconds(7200))
        while try await store.maintain() {}
        #expect(try await store.read([marker])[0] == nil, "its life ends as any other")
        await store.close()
    }

    @Test func `overwriting a row counts as using it, a minute later at the latest`() async throws {
        try await fillFile(4000, hasRemote: false)
        let store = try await fixture.open(hasRemote: false) { $0.sizeLimit = 2 << 20 }
        fixture.clock.advance(by: .seconds(120))
        try await store.commit([fixture.put("key3", [7])])
        while try await store.maintain() {}
        #expect(try await store.value("key3") == [7])
        #expect(try await store.value("key4") == nil)
        await store.close()
    }

    @Test(arguments: [Int64.min, -1, Int64.max])
    func `the access time is not sealed, and no number in it harms`(time: Int64) async throws {
        let store = try await fixture.open(hasRemote: false)
        try await store.commit([fixture.put("a", [1]), fixture.put("b", [2])])
        try runSQL(fixture.path, "UPDATE entries SET accessed_at = \(time)")
        #expect(try await store.value("a") == [1])
        try await store.commit([fixture.put("a", [3])])
        while try await store.maintain() {}
        #expect(try await store.value("a") == [3])
        #expect(try await store.value("b") == [2])
        #expect(try await store.verify().isClean)
        await store.close()
    }
}
