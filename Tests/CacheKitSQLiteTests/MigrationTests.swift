import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Migrations
import Testing

@Suite struct MigrationTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    private func migration(_ number: Int, _ sql: String) -> Migration {
        Migration(number: number, name: "m000\(number)_test.sql", sql: Array(sql.utf8))
    }

    private func list(_ more: Migration...) -> [Migration] { Migrations.all + more }

    /// A file of the first format, closed.
    private func make() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1])])
        await store.close()
    }

    private func open(_ migrations: [Migration]) async throws -> SQLiteStore {
        try await fixture.open { $0.migrations = migrations }
    }

    private func plan(_ migrations: [Migration] = Migrations.all) async throws -> MigrationPlan {
        var configuration = SQLiteConfiguration(path: fixture.path)
        configuration.migrations = migrations
        return try await configuration.migrationPlan()
    }

    /// Length and time of change of everything in the folder.
    private func traces() throws -> [String: [Int64]] {
        let manager = FileManager.default
        let names = try manager.contentsOfDirectory(atPath: fixture.folder)
        return try Dictionary(
            uniqueKeysWithValues: names.map { name in
                var status = stat()
                try #require(stat(fixture.folder + "/" + name, &status) == 0)
                return (name, [Int64(status.st_size), Int64(status.st_mtim.tv_sec), Int64(status.st_mtim.tv_nsec)])
            })
    }

    private let second = "CREATE TABLE second (number INTEGER PRIMARY KEY) STRICT; INSERT INTO second VALUES (2)"
    // The first statement works and must not stay.
    private let failing = "CREATE TABLE third (number INTEGER PRIMARY KEY) STRICT; INSERT INTO nowhere VALUES (3)"

    @Test func `missing migrations are applied in order, and what was there stays`() async throws {
        try await make()
        let migrations = list(migration(2, second), migration(3, "INSERT INTO second VALUES (3)"))
        #expect(try await plan(migrations).missing == ["m0002_test.sql", "m0003_test.sql"])
        let store = try await open(migrations)
        #expect(try await store.value("a") == [1])
        await store.close()
        #expect(try await plan(migrations).format == 3)
        #expect(try await plan(migrations).missing.isEmpty)
        #expect(try queryInteger(fixture.path, "SELECT sum(number) FROM second") == 5)
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM migrations") == 3)
    }

    @Test func `a migration that fails is undone whole; those before it stay, and the next try goes on there`()
        async throws
    {
        try await make()
        let broken = list(migration(2, second), migration(3, failing))
        #expect(await code { _ = try await open(broken) } != nil)
        #expect(try await plan(broken).format == 2)
        #expect(try await plan(broken).missing == ["m0003_test.sql"])
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM sqlite_schema WHERE name = 'third'") == 0)
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM migrations") == 2)
        let mended = list(migration(2, second), migration(3, "CREATE TABLE third (number INTEGER) STRICT"))
        let store = try await open(mended)
        #expect(try await store.value("a") == [1])
        await store.close()
        #expect(try await plan(mended).missing.isEmpty)
    }

    @Test func `openers at the same time migrate once`() async throws {
        try await make()
        let migrations = list(migration(2, second), migration(3, "INSERT INTO second VALUES (3)"))
        let stores = try await withThrowingTaskGroup(of: SQLiteStore.self) { group in
            for _ in 0..<8 { group.addTask { try await open(migrations) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        for store in stores {
            #expect(try await store.value("a") == [1])
            await store.close()
        }
        #expect(try queryInteger(fixture.path, "SELECT sum(number) FROM second") == 5)
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM migrations") == 3)
    }

    @Test func `creation that fails leaves an empty file, which is created by the next`() async throws {
        let broken = [Migration(number: 1, name: "m0001_test.sql", sql: Migrations.all[0].sql + Array("; oops".utf8))]
        #expect(await code { _ = try await open(broken) } != nil)
        #expect(try traces().mapValues { $0[0] } == ["cache.db": 0, "cache.db-new": 0])
        let store = try await fixture.open()
        await store.close()
        #expect(try queryInteger(fixture.path, "PRAGMA auto_vacuum") == 2)
        #expect(try queryInteger(fixture.path, "PRAGMA page_size") == 4096)
    }

    @Test func `a file of a newer version is refused and stays as it is`() async throws {
        let store = try await open(list(migration(2, second)))
        await store.close()
        let before = try Data(contentsOf: URL(filePath: fixture.path))
        #expect(await code { _ = try await fixture.open() } == .newerFormat)
        #expect(await code { _ = try await plan() } == .newerFormat)
        #expect(try Data(contentsOf: URL(filePath: fixture.path)) == before)
    }

    @Test(arguments: [1, 2])
    func `a migration that is not this version's is damage`(number: Int) async throws {
        let migrations = list(migration(2, second))
        let store = try await open(migrations)
        await store.close()
        var altered = migrations
        altered[number - 1] = migration(number, "-- something else")
        #expect(await code { _ = try await open(altered) } == .damagedStore)
        #expect(await code { _ = try await plan(altered) } == .damagedStore)
        try runSQL(fixture.path, "DELETE FROM migrations WHERE number = \(number)")
        #expect(await code { _ = try await open(migrations) } == .damagedStore)
        #expect(await code { _ = try await plan(migrations) } == .damagedStore)
    }

    @Test func `a file whose writer says that this version would misread it is refused`() async throws {
        try await make()
        let checksum = try SHA256.digest([2]).prefix(16).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        try runSQL(
            fixture.path, "UPDATE meta SET content = x'02\(checksum.joined())' WHERE name = 'oldest_reader'")
        #expect(await code { _ = try await fixture.open() } == .newerFormat)
        #expect(await code { _ = try await plan() } == .newerFormat)
    }

    @Test func `planning changes nothing and makes no log`() async throws {
        try await make()
        let before = try traces()
        #expect(try await plan(list(migration(2, second))).missing == ["m0002_test.sql"])
        #expect(try traces() == before)
        #expect(before.keys.sorted() == ["cache.db", "cache.db-lease"])
        // While another process has it open, its log is read too.
        let store = try await open(list(migration(2, second)))
        #expect(try await plan(list(migration(2, second))).missing.isEmpty)
        await store.close()
        #expect(try traces().keys.sorted() == ["cache.db", "cache.db-lease"])
    }

    @Test func `planning for a file that is not there, or is empty, creates none`() async throws {
        #expect(await code { _ = try await plan() } == .inputOutput)
        #expect(try traces().isEmpty)
        for name in ["", "-new"] { _ = FileManager.default.createFile(atPath: fixture.path + name, contents: Data()) }
        #expect(try await plan().format == 0)
        #expect(try await plan().missing == Migrations.all.map(\.name))
        #expect(try traces().mapValues { $0[0] } == ["cache.db": 0, "cache.db-new": 0])
        let odd = fixture.folder + "/100% odd?name#.db"
        let store = try await fixture.open { $0.path = odd }
        await store.close()
        #expect(try await SQLiteConfiguration(path: odd).migrationPlan().missing.isEmpty)
    }
}
