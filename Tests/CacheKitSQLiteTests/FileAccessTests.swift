import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

@Suite struct FileAccessTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `a write waits for another writer as long as configured, then says so; reads never wait`() async throws {
        let store = try await fixture.open { $0.busyTimeout = .milliseconds(50) }
        try await store.commit([fixture.put("a", [1])])
        let other = try PlainConnection(fixture.path)
        try other.execute("BEGIN IMMEDIATE")
        let start = ContinuousClock.now
        let refusal = await code { try await store.commit([fixture.put("a", [2])]) }
        let waited = ContinuousClock.now - start
        #expect(refusal == .storeBusy)
        #expect(waited >= .milliseconds(40))
        // Far above what a loaded machine needs, far below the default of 5 seconds.
        #expect(waited < .seconds(4))
        #expect(try await store.value("a") == [1])
        #expect(await code { _ = try await fixture.open { $0.busyTimeout = .milliseconds(50) } } == nil)
        try other.execute("ROLLBACK")
        #expect(try await store.commit([fixture.put("a", [3])]).map(\.number) == [2])
        #expect(try await store.value("a") == [3])
        await store.close()
    }

    @Test func `a folder that takes no file is told apart, and the message says what to do`() async throws {
        var folder = fixture.folder
        if geteuid() == 0 {
            // Modes do not hold root; the kernel's own file system does.
            folder = "/sys"
        } else {
            try FileManager.default.setAttributes([.posixPermissions: 0o500], ofItemAtPath: folder)
        }
        defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: fixture.folder) }
        do {
            _ = try await fixture.open { $0.path = folder + "/cache.db" }
            Issue.record("a database was created in a folder that takes none")
        } catch let error as CacheError {
            #expect(error.code == .readOnlyStore)
            let messages = [
                "creating the database file failed: permission was refused; "
                    + "check the owner and mode of file and folder (errno 13)",
                "creating the database file failed: the file system is read-only; choose another folder (errno 30)",
            ]
            #expect(messages.contains(error.message))
        }
    }

    @Test func `a row that was moved to another id is not served, and verify finds it`() async throws {
        let store = try await fixture.open()
        for number in 1...9 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        await store.close()
        try runSQL(fixture.path, "UPDATE entries SET id = id + 1 WHERE change_seq = 7")
        // In the place of another key, as a collision would stand there.
        try runSQL(
            fixture.path,
            """
            CREATE TEMP TABLE place AS SELECT id FROM entries WHERE change_seq = 2;
            DELETE FROM entries WHERE change_seq = 2;
            UPDATE entries SET id = (SELECT id FROM place) WHERE change_seq = 3
            """)
        let again = try await fixture.open()
        #expect(try await again.value("key7") == nil)
        #expect(await code { _ = try await again.value("key2") } == .tamperedStore)
        #expect(try await again.value("key3") == nil)
        #expect(try await again.value("key4") == [4])
        let report = try await again.verify()
        #expect(Set(report.failures.map(\.sequence.number)) == [3, 7])
        #expect(report.failures.allSatisfy { $0.code == .tamperedStore })
        #expect(report.intactRows == 6)
        await again.close()
    }
}
