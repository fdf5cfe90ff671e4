import CacheKit
import CacheKitCore
import CacheKitSQLite
import Testing

@Suite struct AlteredFeedTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test(arguments: [63, 1])
    func `the feed gives what comes before an altered row and never passes over it`(hashBits: Int) async throws {
        let store = try await fixture.open { $0.hashBits = hashBits }
        for number in 1...9 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        await store.close()
        for table in ["entries", "overflow"] {
            try runSQL(fixture.path, "UPDATE \(table) SET expires_at = expires_at + 1 WHERE change_seq = 7")
        }
        let altered = try await fixture.open { $0.hashBits = hashBits }
        var sequences: [UInt64] = []
        let failure = await code {
            while true {
                let page = try await altered.changes(
                    after: ChangeSequence(sequences.last ?? 0), origin: .local, limit: 100, byteLimit: 1 << 20)
                guard !page.isEmpty else { return }
                sequences += page.map(\.entry.sequence.number)
            }
        }
        #expect(failure == .tamperedStore)
        // With two tables, the last of the intact ones may stand in the other one.
        #expect(sequences.elementsEqual(1...UInt64(sequences.count)))
        #expect(hashBits == 63 ? sequences.count == 6 : (1...6).contains(sequences.count))
        let behind = try await altered.changes(after: ChangeSequence(7), origin: nil, limit: 100, byteLimit: 1 << 20)
        #expect(behind.map(\.entry.sequence.number) == [8, 9])
        await altered.close()
    }

    @Test func `a sealed value that was altered inside is never pushed, though length and tag are kept`() async throws {
        let store = try await fixture.open()
        let fingerprint = try #require(KeyFingerprint(bytes: [UInt8](repeating: 7, count: 16)))
        for number in 1...3 {
            var change = try fixture.put("key\(number)", (0..<200).map { UInt8($0) })
            change.form = .sealed(fingerprint)
            try await store.commit([change])
        }
        await store.close()
        try runSQL(
            fixture.path,
            """
            UPDATE entries SET value = CAST(substr(value, 1, 100) || x'AA' || substr(value, 102) AS BLOB)
            WHERE change_seq = 2
            """)
        let altered = try await fixture.open()
        let before = try await altered.changes(after: .zero, origin: .local, limit: 9, byteLimit: 1 << 20)
        #expect(before.map(\.entry.sequence.number) == [1])
        let failure = await code {
            _ = try await altered.changes(after: ChangeSequence(1), origin: .local, limit: 9, byteLimit: 1 << 20)
        }
        #expect(failure == .tamperedStore)
        #expect(try await altered.verify().failures.map(\.sequence.number) == [2])
        await altered.close()
    }
}
