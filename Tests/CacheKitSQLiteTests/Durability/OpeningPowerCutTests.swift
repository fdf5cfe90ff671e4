import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Migrations
import Testing

/// The power goes at each change to the disk that opening a file makes, in turn.
@Suite struct OpeningPowerCutTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let vfs = try! FaultVFS()  // likewise

    private func open(
        _ keyring: Keyring, _ migrations: [Migration] = Migrations.all
    ) async throws -> SQLiteStore {
        try await fixture.open(keyring: keyring) {
            $0.vfs = vfs.name
            $0.readerCount = 1
            $0.migrations = migrations
        }
    }

    private func makeAnew() async throws {
        for suffix in ["", "-wal", "-shm", "-lease", "-journal"] {
            try? FileManager.default.removeItem(atPath: fixture.path + suffix)
        }
        let store = try await open(Keyring(current: fixture.masterKey))
        for number in 0..<5 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        await store.close()
        // All of it is on the disk.
        try vfs.restorePower(seed: 0)
    }

    @Test(arguments: ["creation", "migration", "rotation"])
    func `a power cut while a file is opened leaves it as it was or as it was to be`(what: String) async throws {
        let next = try MasterKey.generate()
        let old = try Keyring(current: fixture.masterKey)
        let ring = what == "rotation" ? try Keyring(current: next, previous: [fixture.masterKey]) : old
        let sql = "CREATE TABLE second (number INTEGER NOT NULL) STRICT; INSERT INTO second VALUES (2)"
        let more = [
            Migration(number: 2, name: "m0002_test.sql", sql: Array(sql.utf8)),
            Migration(number: 3, name: "m0003_test.sql", sql: Array("INSERT INTO second VALUES (3)".utf8)),
        ]
        let migrations = what == "migration" ? Migrations.all + more : Migrations.all
        var cuts = 0
        for seed in 1...UInt64(TestEffort.count(short: 2, long: 8)) {
            for ordinal in 1...300 {
                if what == "creation" {
                    for suffix in ["", "-wal", "-shm", "-lease", "-journal"] {
                        try? FileManager.default.removeItem(atPath: fixture.path + suffix)
                    }
                } else {
                    try await makeAnew()
                }
                vfs.cutPower(at: ordinal)
                let opened = try? await open(ring, migrations)
                await opened?.close()
                let isCut = vfs.isCut
                try vfs.restorePower(seed: seed &+ UInt64(ordinal) &* 100)
                let place = "seed \(seed), change \(ordinal)"
                do {
                    let again = try await open(ring, migrations)
                    if what != "creation" {
                        for number in 0..<5 {
                            #expect(try await again.value("key\(number)") == [UInt8(number)], "\(place)")
                        }
                    }
                    #expect(try await again.verify().isClean, "\(place)")
                    await again.close()
                    try vfs.restorePower(seed: 0)
                    guard isCut else { break }
                    cuts += 1
                } catch {
                    Issue.record("\(place): \(String(reflecting: error))")
                    break
                }
            }
        }
        #expect(cuts > 10)
    }
}
