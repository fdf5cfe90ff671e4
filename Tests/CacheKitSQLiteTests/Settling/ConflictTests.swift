import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Logging
import Testing

@testable import CacheKitSQLite

/// Changes that lost: how they are kept, and within which bound.
@Suite struct ConflictTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func lose(
        _ key: String, _ sequence: ChangeSequence, _ store: SQLiteStore, _ loss: Resolution.Loss = .stale
    ) async throws {
        let winner = try fixture.put(key, [0])
        #expect(try await store.resolve([Resolution(sequence: sequence, winner: winner, loss: loss)]) == [true])
    }

    /// Every record, the oldest first, with its value column.
    private func records(_ store: SQLiteStore) async throws -> [(record: ConflictRecord, value: [UInt8]?)] {
        let codec = store.file.codec
        let found = try await store.read { reader throws(CacheError) -> [(ConflictRecord, [UInt8]?)] in
            let select = try reader.connection.prepare(
                "SELECT \(ConflictRecord.columns) FROM conflicts ORDER BY conflict")
            var records: [(ConflictRecord, [UInt8]?)] = []
            while try select.step() {
                records.append((try ConflictRecord(select, codec), select.isNull(4) ? nil : select.bytes(4)))
            }
            return records
        }
        return found.map { (record: $0.0, value: $0.1) }
    }

    @Test(arguments: [63, 0])
    func `a loser is kept as it stood, with its reason`(hashBits: Int) async throws {
        let ring = try Keyring(current: fixture.masterKey)
        let store = try await fixture.open { $0.hashBits = hashBits }
        let sealed = try fixture.sealedPut("sealed", "text", ring)
        let sequences = try await store.commit([
            fixture.put("plain", [1, 2, 3]), sealed, fixture.delete("deleted"), fixture.put("empty", []),
        ])
        let keys = try ["plain", "sealed", "deleted", "empty"].map { try CacheKey($0) }
        let rows = try await store.read(keys).compactMap { $0 }
        fixture.clock.advance(by: .seconds(7))
        for (index, loss) in [Resolution.Loss.stale, .foreign, .absent, .stale].enumerated() {
            try await lose(keys[index].string, sequences[index], store, loss)
        }
        let found = try await records(store)
        #expect(found.map(\.record.loss) == [.stale, .foreign, .absent, .stale])
        #expect(found.map(\.record.row.key) == keys.map(\.string))
        #expect(found.map(\.record.row.version) == rows.map(\.version))
        #expect(found.map(\.record.row.sequence) == sequences.map(\.number))
        #expect(found.allSatisfy { $0.record.lostAt == fixture.clock.now().milliseconds })
        #expect(found[1].value == sealed.value)
        #expect(found[2].value == nil && found[2].record.row.isTombstone)
        for (index, value) in [(0, [1, 2, 3]), (3, [])] as [(Int, [UInt8])] {
            let hash = try store.file.keys.hash(keys[index].string)
            let column = try #require(found[index].value)
            let opened = try column.withUnsafeBytes { column in
                try hash.withUnsafeBytes {
                    try store.file.keys.openValue(column, hash: $0, version: rows[index].version)
                }
            }
            #expect(opened == value)
        }
        #expect(try await store.statistics().conflicts == 4)
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `a thousand are kept, and the oldest go first`() async throws {
        let store = try await fixture.open()
        for batch in 0..<11 {
            let names = (0..<95).map { "key\(batch * 95 + $0)" }
            let sequences = try await store.commit(names.map { try fixture.put($0, [1]) })
            let resolutions = try zip(names, sequences).map {
                Resolution(sequence: $1, winner: try fixture.put($0, [2]), loss: .stale)
            }
            #expect(try await store.resolve(resolutions).allSatisfy { $0 })
        }
        let found = try await records(store)
        #expect(found.map(\.record.row.key) == (45..<1045).map { "key\($0)" })
        await store.close()
    }

    @Test func `bytes of values are bounded by a part of the file's bound, and one beyond it is not kept`()
        async throws
    {
        // A sixteenth: 256 KiB.
        let store = try await fixture.open { $0.sizeLimit = 4 << 20 }
        let value = [UInt8](repeating: 7, count: 100_000)
        for number in 0..<5 {
            let sequence = try await store.commit([fixture.put("key\(number)", value)])[0]
            try await lose("key\(number)", sequence, store)
        }
        #expect(try await records(store).map(\.record.row.key) == ["key3", "key4"])
        let large = try await store.commit([fixture.put("large", value + value + value)])[0]
        try await lose("large", large, store)
        let found = try await records(store)
        #expect(found.map(\.record.row.key) == ["key3", "key4", "large"])
        #expect(found[2].value == nil && !found[2].record.isValueKept && !found[2].record.row.isTombstone)
        #expect(found[2].record.row.valueLength == 300_028)
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `a conflict keeps no row from going, and a key from being retired`() async throws {
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: MasterKey.generate(), previous: [fixture.masterKey])
        let oldKey = try old.fingerprints[0]
        let store = try await fixture.open(keyring: both)
        let sequences = try await store.commit([
            fixture.sealedPut("lost", "text", old), fixture.sealedPut("parked", "text", old),
            fixture.put("plain", [1]),
        ])
        try await store.resolve([
            Resolution(sequence: sequences[0], winner: fixture.sealedPut("lost", "newer", old), loss: .stale)
        ])
        let parked = ParkedChange(sequence: sequences[1], key: try CacheKey("parked"), reason: .tooOld)
        try await store.settle(Settlement(through: sequences[2], parked: [parked]))
        var use = try #require(try await store.keyUse().first { $0.fingerprint == oldKey })
        #expect((use.settledRows, use.pendingRows, use.setAsideRows, use.conflicts) == (1, 0, 1, 1))
        // The winner is sealed anew like any row.
        let cache = try await fixture.cache(store, both)
        #expect(try await cache.reseal().resealed == 1)
        func refusal() async -> String? {
            do {
                try await store.retire([oldKey])
                return nil
            } catch {
                return error.code == .keyInUse ? error.message : "\(error)"
            }
        }
        #expect(await refusal()?.contains("1 rows of dead letters or parked changes") == true)
        try await store.commit([fixture.delete("parked")])
        #expect(await refusal()?.contains("1 conflicts") == true)
        use = try #require(try await store.keyUse().first { $0.fingerprint == oldKey })
        #expect((use.total, use.conflicts) == (1, 1))
        fixture.clock.advance(by: .seconds(3600))
        while try await store.maintain() {}
        #expect(try await store.read([CacheKey("lost")])[0] == nil)
        try runSQL(fixture.path, "DELETE FROM conflicts")
        #expect(await refusal() == nil)
        await cache.shutdown()
    }

    @Test func `where a winner's value can't be kept, a tombstone stands and the loser is gone`() async throws {
        let old = try Keyring(current: fixture.masterKey)
        let both = try Keyring(current: MasterKey.generate(), previous: [fixture.masterKey])
        let store = try await fixture.open(keyring: both) { $0.sizeLimit = 1 << 20 }
        try await store.retire([old.fingerprints[0]])
        let first = try await store.commit([fixture.put("k", [1])])[0]
        let retired = try fixture.sealedPut("k", "text", old)
        #expect(
            try await store.resolve([Resolution(sequence: first, winner: retired, loss: .stale)]) == [true])
        var row = try await store.read([CacheKey("k")])[0]
        #expect(row?.isTombstone == true && row?.origin == .remote && row?.base == [])
        #expect(row?.expiresAt == retired.expiresAt)
        // As a change it is refused, as any other.
        let second = try await store.commit([fixture.put("k", [2])])[0]
        let change = Resolution(sequence: second, winner: retired, loss: .stale, isChange: true)
        #expect(await code { try await store.resolve([change]) } == .wrongMasterKey)
        #expect(try await store.value("k") == [2])
        // No room: the rest of the file waits for the remote.
        var number = 0
        while await code({ try await store.commit([fixture.put("key\(number)", [UInt8](repeating: 1, count: 9000))]) })
            == nil
        {
            number += 1
        }
        let large = try fixture.put("k", [UInt8](repeating: 1, count: 60_000))
        #expect(try await store.resolve([Resolution(sequence: second, winner: large, loss: .stale)]) == [true])
        row = try await store.read([CacheKey("k")])[0]
        #expect(row?.isTombstone == true && row?.origin == .remote)
        #expect(try await store.statistics().conflicts == 2)
        await store.close()
    }

    static let alterations = [
        "UPDATE parked SET sealed = zeroblob(length(sealed))",
        "UPDATE parked SET change_seq = change_seq + 10",
        "UPDATE parked SET sealed = (SELECT sealed FROM dead_letters)",
        "UPDATE conflicts SET sealed_meta = zeroblob(length(sealed_meta))",
        "UPDATE conflicts SET change_seq = change_seq + 1",
        "UPDATE conflicts SET lost_at = lost_at + 1",
        "UPDATE conflicts SET value = NULL",
        "UPDATE conflicts SET value = zeroblob(length(value))",
        "UPDATE conflicts SET key_fingerprint = zeroblob(16)",
        "UPDATE conflicts SET key_hash = zeroblob(32)",
        "UPDATE conflicts SET sealed_meta = (SELECT sealed_meta FROM entries WHERE change_seq = 1)",
    ]

    @Test(arguments: alterations)
    func `an altered record is found, and kept elsewhere once it is set aside`(sql: String) async throws {
        let store = try await fixture.open()
        let sequences = try await store.commit([
            fixture.put("a", [1]), fixture.put("b", [2]), fixture.put("c", [3]),
        ])
        try await lose("c", sequences[2], store)
        let letter = DeadLetter(
            sequence: sequences[0], key: try CacheKey("a"), reason: CacheError(.remoteRejected, "no"))
        let parked = ParkedChange(sequence: sequences[1], key: try CacheKey("b"), reason: .needsKey)
        try await store.settle(Settlement(through: sequences[2], deadLetters: [letter], parked: [parked]))
        await store.close()
        let configuration = SQLiteConfiguration(path: fixture.path)
        let keyring = try Keyring(current: fixture.masterKey)
        func examine() async throws -> DoctorReport {
            try await configuration.examine(keyring: keyring, tenant: "tenant-one", clock: fixture.clock)
        }
        var report = try await examine()
        #expect(report.isClean)
        #expect((report.rows?.deadLetters, report.rows?.parked, report.rows?.conflicts) == (1, 1, 1))
        try runSQL(fixture.path, sql)
        report = try await examine()
        #expect(report.code == .tamperedStore)
        let isParked = sql.contains("UPDATE parked")
        #expect((report.rows?.alteredParked, report.rows?.alteredConflicts) == (isParked ? 1 : 0, isParked ? 0 : 1))
        let context = LocalStoreContext(
            keyring: keyring, tenant: "tenant-one", hasRemote: true, clock: fixture.clock, logger: .init(label: "test"))
        let aside = try await configuration.setAside(into: fixture.folder + "/aside", context)
        #expect(aside.records == 1 && aside.deadLetters == 0)
        let line = try #require(
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: fixture.folder + "/aside")))
                as? [String: Any])
        #expect(line["table"] as? String == (isParked ? "parked" : "conflicts"))
        #expect(try await examine().isClean)
    }
}
