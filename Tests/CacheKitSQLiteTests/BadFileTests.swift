import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// Runs SQL on a file with plain SQLite.
func runSQL(_ path: String, _ sql: String) throws {
    var database: OpaquePointer?
    try #require(sqlite3_open(path, &database) == SQLITE_OK)
    defer { sqlite3_close(database) }
    sqlite3_busy_timeout(database, 5000)
    var message: UnsafeMutablePointer<CChar>?
    let result = sqlite3_exec(database, sql, nil, nil, &message)
    try #require(result == SQLITE_OK, "\(message.map { String(cString: $0) } ?? "")")
}

/// The integer that a statement gives with plain SQLite.
func queryInteger(_ path: String, _ sql: String) throws -> Int64 {
    var database: OpaquePointer?
    try #require(sqlite3_open(path, &database) == SQLITE_OK)
    defer { sqlite3_close(database) }
    var statement: OpaquePointer?
    try #require(sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK)
    defer { sqlite3_finalize(statement) }
    try #require(sqlite3_step(statement) == SQLITE_ROW)
    return sqlite3_column_int64(statement, 0)
}

@Suite struct BadFileTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    func make(_ count: Int = 20) async throws {
        let store = try await fixture.open()
        for number in 0..<count {
            try await store.commit([fixture.put("secret-ns:key\(number)", Array("MARKER-VALUE-\(number)".utf8))])
        }
        await store.close()
    }

    func bytes() throws -> Data { try Data(contentsOf: URL(filePath: fixture.path)) }

    @Test func `another master key is told apart from damage, and nothing changes`() async throws {
        try await make()
        let before = try bytes()
        let other = try Keyring(current: MasterKey.generate())
        #expect(await code { _ = try await fixture.open(keyring: other) } == .wrongMasterKey)
        #expect(try bytes() == before)
        try runSQL(fixture.path, "UPDATE meta SET content = zeroblob(length(content)) WHERE name GLOB 'wrap:*'")
        #expect(await code { _ = try await fixture.open(keyring: other) } == .damagedStore)
        #expect(await code { _ = try await fixture.open() } == .damagedStore)
    }

    @Test func `a file opens with the old key and the new one after a rotation`() async throws {
        try await make()
        let new = try MasterKey.generate()
        let rotated = try await fixture.open(keyring: Keyring(current: new, previous: [fixture.masterKey]))
        #expect(try await rotated.value("secret-ns:key1") != nil)
        await rotated.close()
        let alone = try await fixture.open(keyring: Keyring(current: new))
        #expect(try await alone.value("secret-ns:key1") != nil)
        await alone.close()
        let old = try await fixture.open()
        #expect(try await old.value("secret-ns:key1") != nil)
        await old.close()
    }

    @Test func `another tenant's file is refused`() async throws {
        try await make()
        #expect(await code { _ = try await fixture.open(tenant: "tenant-two") } == .invalidConfiguration)
    }

    @Test func `a file that is not a database is refused and left alone`() async throws {
        let text = Data("just some notes that someone keeps here\n".utf8)
        try text.write(to: URL(filePath: fixture.path))
        #expect(await code { _ = try await fixture.open() } == .notADatabase)
        #expect(try bytes() == text)
        try FileManager.default.removeItem(atPath: fixture.path)
        try runSQL(fixture.path, "CREATE TABLE notes (text)")
        #expect(await code { _ = try await fixture.open() } == .notADatabase)
    }

    @Test func `a truncated file is damaged`() async throws {
        try await make()
        let whole = try bytes()
        for count in [50, 4096, whole.count - 4096, whole.count - 1] {
            try whole.prefix(count).write(to: URL(filePath: fixture.path))
            #expect(await code { _ = try await fixture.open() } == .damagedStore, "\(count) bytes")
            #expect(try bytes().count == count)
        }
    }

    @Test(arguments: [false, true])
    func `a file that was emptied is damaged, whatever lies beside it`(hasRemote: Bool) async throws {
        let store = try await fixture.open(hasRemote: hasRemote)
        try await store.commit([fixture.put("a", [1])])
        await store.close()
        try Data().write(to: URL(filePath: fixture.path))
        for _ in 0..<2 {
            #expect(await code { _ = try await fixture.open(hasRemote: hasRemote) } == .damagedStore)
            #expect(try bytes().isEmpty)
            try Data([1]).write(to: URL(filePath: fixture.path + "-wal"))
        }
    }

    @Test func `a newer format is refused`() async throws {
        try await make()
        try runSQL(fixture.path, "PRAGMA user_version=99")
        #expect(await code { _ = try await fixture.open() } == .newerFormat)
    }

    @Test func `a folder that is missing, not a folder, or takes no files has its own error`() async throws {
        #expect(await code { _ = try await fixture.open { $0.path = "/nonexistent/folder/cache.db" } } == .inputOutput)
        _ = FileManager.default.createFile(atPath: fixture.path, contents: Data())
        #expect(await code { _ = try await fixture.open { $0.path += "/cache.db" } } == .inputOutput)
        #expect(await code { _ = try await fixture.open { $0.path = "/proc/cache.db" } } != nil)
        #expect(await code { _ = try await fixture.open { $0.path = fixture.folder } } == .notADatabase)
        #expect(await code { _ = try await fixture.open { $0.path = "" } } == .invalidConfiguration)
    }

    @Test func `the file and what lies beside it are its owner's alone`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1])])
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path + suffix)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
        await store.close()
    }

    @Test func `a full disk fails the write and nothing else, and work goes on when there is space`() async throws {
        let store = try await fixture.open { $0.maximumPageCount = 60 }
        var written = 0
        var failure: CacheError.Code?
        while failure == nil, written < 200 {
            failure = await code {
                try await store.commit([fixture.put("key\(written)", [UInt8](repeating: 1, count: 4000))])
            }
            if failure == nil { written += 1 }
        }
        #expect(failure == .diskFull)
        #expect(try await store.lastSequence().number == UInt64(written))
        try await store.settle(Settlement(through: ChangeSequence(UInt64(written))))
        fixture.clock.advance(by: .seconds(3600))
        while try await store.maintain() {}
        try await store.commit([fixture.put("after", [5])])
        #expect(try await store.value("after") == [5])
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test(arguments: [
        "key_hash = zeroblob(32)", "sealed_meta = zeroblob(length(sealed_meta))", "version = zeroblob(16)",
        "change_seq = change_seq + 100", "origin = 1", "base = zeroblob(16)", "expires_at = expires_at + 1",
        "stale_at = stale_at - 1", "key_fingerprint = zeroblob(16)", "value = zeroblob(length(value))", "value = NULL",
        "value = (SELECT value FROM entries AS other WHERE other.id <> entries.id)",
        "sealed_meta = (SELECT sealed_meta FROM entries AS other WHERE other.id <> entries.id)",
    ])
    func `a row that was altered by hand does not authenticate`(assignment: String) async throws {
        try await make()
        try runSQL(fixture.path, "UPDATE entries SET \(assignment) WHERE change_seq = 7")
        let store = try await fixture.open()
        #expect(await code { _ = try await store.value("secret-ns:key6") } == .tamperedStore)
        #expect(try await store.value("secret-ns:key5") == Array("MARKER-VALUE-5".utf8))
        let report = try await store.verify()
        #expect(report.failedRows == 1)
        #expect(report.intactRows == 19)
        #expect(report.failures.map(\.code) == [.tamperedStore])
        await store.close()
    }

    @Test func `a watermark that was altered by hand does not authenticate`() async throws {
        try await make()
        try runSQL(
            fixture.path,
            "UPDATE meta SET content = (SELECT content FROM meta WHERE name = 'clock') WHERE name = 'watermark'")
        #expect(await code { _ = try await fixture.open() } == .tamperedStore)
    }

    @Test func `nothing readable is in the database, its log or its shared memory`() async throws {
        let store = try await fixture.open(tenant: "MARKER-TENANT")
        for number in 0..<50 {
            try await store.commit([fixture.put("MARKER-NS:MARKER-KEY\(number)", Array("MARKER-VALUE".utf8))])
        }
        let letter = DeadLetter(
            sequence: ChangeSequence(3), key: try CacheKey("MARKER-NS:MARKER-KEY2"),
            reason: CacheError(.remoteRejected, "MARKER-REASON"))
        let parked = ParkedChange(
            sequence: ChangeSequence(2), key: try CacheKey("MARKER-NS:MARKER-KEY1"), reason: .tooOld)
        try await store.beginSending(through: ChangeSequence(9), fence: Array("MARKER-CONNECTION".utf8))
        try await store.settle(
            Settlement(
                through: ChangeSequence(3), deadLetters: [letter], parked: [parked],
                marks: RemoteMarks(bucketCount: 256, sequences: [1: 3])))
        let winner = try fixture.put("MARKER-NS:MARKER-KEY4", Array("MARKER-WINNER".utf8))
        #expect(
            try await store.resolve([Resolution(sequence: ChangeSequence(5), winner: winner, loss: .stale)]) == [true])
        for suffix in ["", "-wal", "-shm"] {
            let content = try Data(contentsOf: URL(filePath: fixture.path + suffix))
            #expect(!content.isEmpty)
            #expect(content.range(of: Data("MARKER".utf8)) == nil, "\(suffix)")
        }
        await store.close()
        #expect(try bytes().range(of: Data("MARKER".utf8)) == nil)
    }
}
