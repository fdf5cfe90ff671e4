import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Synchronization
import Testing

@Suite struct FilePermissionTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func chmod(_ path: String, _ mode: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? NSNumber).intValue
    }

    /// Opens the file, writes, and gives what was logged.
    private func use() async throws -> [String] {
        let log = LogRecorder()
        let store = try await fixture.open(logger: log.logger)
        try await store.commit([fixture.put("a", [1])])
        await store.close()
        return log.lines
    }

    @Test
    func `a folder in which anyone may replace files is refused, and one like the system's for temporary files is not`()
        async throws
    {
        try chmod(fixture.folder, 0o777)
        #expect(await code { _ = try await use() } == .unsafePermissions)
        #expect(!FileManager.default.fileExists(atPath: fixture.path))
        try chmod(fixture.folder, 0o1777)
        #expect(try await use().isEmpty)
        try chmod(fixture.folder, 0o757)
        #expect(await code { _ = try await use() } == .unsafePermissions)
        try chmod(fixture.folder, 0o755)
        #expect(try await use().isEmpty)
    }

    @Test func `a folder in which a group may replace files is used, with a warning`() async throws {
        try chmod(fixture.folder, 0o775)
        let lines = try await use()
        #expect(lines.count == 1)
        #expect(lines.first?.contains("group") == true)
    }

    @Test func `a file that anyone may write is refused, one that others may read is used with a warning`() async throws
    {
        #expect(try await use().isEmpty)
        #expect(try mode(fixture.path) == 0o600)
        try chmod(fixture.path, 0o606)
        #expect(await code { _ = try await use() } == .unsafePermissions)
        for mode in [0o604, 0o640, 0o660] {
            try chmod(fixture.path, mode)
            let lines = try await use()
            #expect(lines.count == 1)
            #expect(lines.first?.contains("chmod 600") == true)
            #expect(try self.mode(fixture.path) == mode, "nobody's choice is undone")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root to give files away"))
    func `another user's file is refused, except by root`() async throws {
        #expect(try await use().isEmpty)
        try #require(chown(fixture.folder, 65534, 65534) == 0 && chown(fixture.path, 65534, 65534) == 0)
        #expect(try await use().isEmpty)
        // What root left beside it is the owner's too.
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1])])
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: fixture.path + suffix)
            #expect((attributes[.ownerAccountID] as? NSNumber)?.intValue == 65534, "\(suffix)")
        }
        await store.close()
    }

    @Test func `a symbolic link is not followed, wherever it leads`() async throws {
        #expect(try await use().isEmpty)
        let real = fixture.folder + "/real.db"
        try FileManager.default.moveItem(atPath: fixture.path, toPath: real)
        try FileManager.default.createSymbolicLink(atPath: fixture.path, withDestinationPath: real)
        #expect(await code { _ = try await use() } == .inputOutput)
        try FileManager.default.removeItem(atPath: real)
        #expect(await code { _ = try await use() } == .inputOutput)
        #expect(!FileManager.default.fileExists(atPath: real))
    }

    @Test func `a lease that is a symbolic link is not followed`() async throws {
        let made = try await fixture.open(hasRemote: false)
        await made.close()
        let elsewhere = fixture.folder + "/elsewhere"
        try FileManager.default.createSymbolicLink(
            atPath: fixture.path + "-lease", withDestinationPath: elsewhere)
        let failure = await code {
            let store = try await fixture.open()
            _ = try await store.acquirePusherLease()
        }
        #expect(failure == .inputOutput)
        #expect(!FileManager.default.fileExists(atPath: elsewhere))
    }

    @Test func `a pipe, a folder or a device in the file's place is no database`() async throws {
        try #require(mkfifo(fixture.path, 0o600) == 0)
        #expect(await code { _ = try await use() } == .notADatabase)
    }

    @Test func `opening a file again in the same process gives up none of its locks`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1])])
        func locks() throws -> Int {
            var status = stat()
            try #require(stat(fixture.path, &status) == 0)
            // Not from /proc/locks, which is read in parts while other tests take and give up locks.
            return try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fdinfo").reduce(0) { count, name in
                // Other tests close theirs at any time.
                let info = try? String(contentsOfFile: "/proc/self/fdinfo/\(name)", encoding: .utf8)
                let lines = info?.split(separator: "\n") ?? []
                return count + lines.count { $0.hasPrefix("lock:") && $0.contains(":\(status.st_ino) ") }
            }
        }
        try #require(try locks() > 0, "an open log means a shared lock on the file")
        _ = try await SQLiteConfiguration(path: fixture.path).migrationPlan()
        let again = try await fixture.open()
        await again.close()
        #expect(try locks() > 0)
        await store.close()
        #expect(try locks() == 0)
    }
}
