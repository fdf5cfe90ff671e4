import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Migrations
import Testing

/// Files of format 1 that an earlier version wrote are opened by this one, whatever its own format is.
@Suite struct FormatOneTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// Puts a copy of the kept file into the folder.
    private func place(_ file: FormatOne) throws {
        try file.bytes.write(to: URL(filePath: fixture.path))
        // As a checkout leaves it, others may read it.
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: fixture.path)
    }

    /// Opened an hour after it was begun.
    private func open(
        _ file: FormatOne, keyring: Keyring? = nil, _ adjust: (inout SQLiteConfiguration) -> Void = { _ in }
    ) async throws -> SQLiteStore {
        try await fixture.open(
            keyring: keyring ?? FormatOne.keyring, tenant: FormatOne.tenant,
            clock: ManualClock(now: FormatOne.start.advanced(by: .seconds(3600))),
            // Each opening logs that the copy has a new node id.
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { configuration in
            configuration.hashBits = file.hashBits
            adjust(&configuration)
        }
    }

    private func cache(_ store: SQLiteStore, _ encryption: Encryption) async throws -> Cache {
        var configuration = CacheConfiguration()
        configuration.tenant = FormatOne.tenant
        // Before anything of it expired.
        configuration.clock = fixture.clock
        return try await Cache(local: Opened(store: store), encryption: encryption, configuration: configuration)
    }

    @Test(arguments: FormatOne.files)
    func `a file that was kept is never changed`(file: FormatOne) throws {
        let digest = try SHA256.digest([UInt8](file.bytes)).map { String(format: "%02x", $0) }.joined()
        #expect(digest == file.digest)
    }

    @Test(arguments: FormatOne.files)
    func `every row of a kept file is read as it was written`(file: FormatOne) async throws {
        try place(file)
        let overflowing = try queryInteger(fixture.path, "SELECT count(*) FROM overflow")
        #expect(file.hashBits < 63 ? overflowing >= 10 : overflowing == 0)
        let store = try await open(file)
        let fingerprints = try (1...3).map { number in
            try TenantCipher(keyring: Keyring(current: FormatOne.key(number)), tenant: FormatOne.tenant)
                .currentFingerprint
        }
        let entries = try await store.read(FormatOne.rows.map { try CacheKey($0.key) })
        for (row, found) in zip(FormatOne.rows, entries) {
            let entry = try #require(found, "\(row.key)")
            #expect(entry.sequence == ChangeSequence(row.sequence), "\(row.key)")
            #expect(entry.version == row.version(file.node), "\(row.key)")
            #expect(entry.origin == row.origin && entry.mode == row.mode, "\(row.key)")
            #expect(entry.form == row.sealedUnder.map { .sealed(fingerprints[$0 - 1]) } ?? .plain, "\(row.key)")
            #expect(entry.expiresAt == row.expiresAt && entry.staleAt == row.expiresAt, "\(row.key)")
            #expect(entry.isTombstone == (row.document == nil), "\(row.key)")
        }
        let keyring = KeySource.keyring(try FormatOne.keyring)
        let secure = try await cache(store, .secure(key: keyring))
        let plain = try await cache(store, .plain(fileKey: keyring))
        for row in FormatOne.rows {
            let cache = row.sealedUnder == nil ? plain : secure
            #expect(try await cache.documents.get(CacheKey(row.key)) == row.document, "\(row.key)")
        }
        await secure.shutdown()
        await plain.shutdown()
    }

    @Test(arguments: FormatOne.files)
    func `feed, watermark, dead letter, keys and bases of a kept file are what they were`(file: FormatOne) async throws
    {
        try place(file)
        let bases = try ["entries", "overflow"].flatMap { table in
            try readSQL(
                fixture.path, "SELECT change_seq, base, CAST(substr(value, -16) AS BLOB) FROM \(table)")
        }
        #expect(bases.count == FormatOne.rows.count)
        for columns in bases {
            let row = try #require(FormatOne.rows.first { "\($0.sequence)" == columns[0] })
            switch row.base {
            case .nothing: #expect(columns[1].isEmpty, "\(row.key)")
            case .value: #expect(columns[1] == columns[2], "\(row.key)")
            case .former: #expect(columns[1].count == 32 && columns[1] != columns[2], "\(row.key)")
            }
        }
        let store = try await open(file)
        let feed = try await store.changes(after: .zero, origin: nil, limit: 100, byteLimit: 1 << 20)
        #expect(feed.map(\.entry.sequence.number) == FormatOne.rows.map(\.sequence))
        #expect(feed.map(\.key.string) == FormatOne.rows.map(\.key))
        #expect(try await store.watermark() == FormatOne.watermark)
        #expect(try await store.lastSequence() == FormatOne.lastSequence)
        let pending = try await store.changes(
            after: FormatOne.watermark, origin: .local, limit: 100, byteLimit: 1 << 20)
        #expect(pending.map(\.entry.sequence.number) == [13, 14, 15, 16])
        #expect(try await store.backlog().changes == 4)
        let statistics = try await store.statistics()
        #expect((statistics.entries, statistics.tombstones, statistics.deadLetters) == (13, 2, 1))
        let uses = try await store.keyUse()
        #expect(uses.map(\.standing) == [.current, .previous, .retired])
        #expect(uses.map(\.total) == [8, 1, 0])
        #expect(uses[1].setAsideRows == 1, "the row of the dead letter waits for a person")
        await store.close()
    }

    @Test(arguments: FormatOne.files)
    func `of what an older version left waiting nothing counts as sent, and plain values are not known by fingerprint`(
        file: FormatOne
    ) async throws {
        try place(file)
        let store = try await open(file)
        let state = try await store.sendingState()
        #expect(state.sentThrough == FormatOne.watermark && state.watermark == FormatOne.watermark)
        #expect(state.marks == nil && state.fence == nil)
        let former = try #require(try await store.read([CacheKey("shared:read")])[0])
        try await store.commit([
            fixture.put("open:ada", [1]), fixture.put("shared:read", [1]), fixture.put("lent:waiting", [1]),
        ])
        let rows = try await store.read(["open:ada", "shared:read", "lent:waiting"].map { try CacheKey($0) })
        #expect(rows.map { $0?.base } == [[], former.base, []])
        #expect(former.base.count == 1)
        try await store.beginSending(through: ChangeSequence(20), fence: nil)
        #expect(try await store.sendingState().sentThrough == ChangeSequence(20))
        #expect(
            try await store.settledChanges(after: .zero, through: .init(.max), limit: 100, byteLimit: 1 << 20)
                .allSatisfy { $0.entry.sequence != FormatOne.deadLetter })
        await store.close()
    }

    @Test(arguments: FormatOne.files)
    func `nothing is wrong with a kept file, and it opens under its own keys only`(file: FormatOne) async throws {
        try place(file)
        var configuration = SQLiteConfiguration(path: fixture.path)
        configuration.hashBits = file.hashBits
        #expect(try await configuration.migrationPlan().format == 1)
        let report = try await configuration.examine(
            keyring: FormatOne.keyring, tenant: FormatOne.tenant, clock: fixture.clock)
        #expect(report.isClean && report.findings.isEmpty, "\(report.findings)")
        let rows = try #require(report.rows)
        #expect(rows.verified.intactRows == FormatOne.rows.count)
        #expect((rows.pending, rows.deadLetters, rows.withoutKey) == (4, 1, 0))
        #expect(
            await code { _ = try await open(file, keyring: Keyring(current: MasterKey.generate())) } == .wrongMasterKey)
        #expect(await code { _ = try await open(file, keyring: Keyring(current: FormatOne.key(1))) } == .wrongMasterKey)
        #expect(try file.bytes == Data(contentsOf: URL(filePath: fixture.path)), "it was not written to")
        let store = try await open(file)
        let verified = try await store.verify()
        #expect(verified.isClean)
        #expect(verified.intactRows == FormatOne.rows.count)
        await store.close()
    }

    /// With this version's migrations, and with one more: a file of format 1 goes through all that come.
    @Test(arguments: FormatOne.files, [false, true])
    func `a kept file goes on as a node of its own where it stopped`(file: FormatOne, isMigrated: Bool) async throws {
        try place(file)
        let later = Migration(
            number: Migrations.all.count + 1, name: "m9999_test.sql",
            sql: Array("CREATE TABLE later (number INTEGER PRIMARY KEY) STRICT".utf8))
        func adjust(_ configuration: inout SQLiteConfiguration) {
            if isMigrated { configuration.migrations = Migrations.all + [later] }
        }
        let store = try await open(file, adjust)
        let sequences = try await store.commit([
            fixture.put("people:ada", [1]), fixture.put("people:new", [2]), fixture.delete("open:ada"),
        ])
        #expect(sequences.map(\.number) == [18, 19, 20])
        let written = try await store.read(["people:ada", "people:new", "open:ada"].map { try CacheKey($0) })
        #expect(written.map { $0?.value } == [[1], [2], nil])
        #expect(written.map { $0?.isTombstone } == [false, false, true])
        let versions = try written.map { try #require($0).version }
        // A copy, as this one is of the file that was kept, must not stamp as the other does.
        #expect(Set(versions.map(\.node)).count == 1)
        #expect(versions[0].node != file.node)
        #expect(versions.allSatisfy { version in FormatOne.rows.allSatisfy { $0.version(file.node) < version } })
        // Swept is what has expired and is settled; what waits for the remote stays.
        while try await store.maintain() {}
        #expect(try await store.read([CacheKey("people:brief")])[0] == nil)
        #expect(try await store.value("people:late") != nil)
        try await store.settle(Settlement(through: ChangeSequence(20)))
        #expect(try await store.backlog().changes == 0)
        #expect(try await store.verify().isClean)
        await store.close()
        let again = try await open(file, adjust)
        #expect(try await again.value("people:new") == [2])
        #expect(try await again.watermark() == ChangeSequence(20))
        #expect(try await again.commit([fixture.put("people:new", [3])])[0].number == 21)
        #expect(try await again.read([CacheKey("people:new")])[0]?.version.node == versions[0].node)
        #expect(try await again.verify().isClean)
        await again.close()
    }
}
