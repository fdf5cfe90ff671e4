import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Synchronization
import Testing

/// What an examination says, what salvage gives, and what setting aside leaves.
@Suite struct DoctorTests {
    private func withFile(
        log: Bool = false, _ body: (DamageImage, String) async throws -> Void
    ) async throws {
        let image = try await DamageImage.make(withLog: log)
        let folder = try DamageImage.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try image.write(folder + "/cache.db")
        chmod(folder + "/cache.db", 0o600)
        chmod(folder + "/cache.db-wal", 0o600)
        try await body(image, folder + "/cache.db")
    }

    private func examine(_ image: DamageImage, _ path: String, keyring: Keyring? = nil) async throws -> DoctorReport {
        try await DamageImage.configuration(path).examine(
            keyring: keyring ?? image.keyring, tenant: "tenant-one", clock: ManualClock())
    }

    private func salvage(_ image: DamageImage, _ path: String) async throws -> (keys: [String: Held], lost: [UInt64]) {
        let found = Mutex<(keys: [String: Held], lost: [UInt64])>(([:], []))
        try await DamageImage.configuration(path).salvage(keyring: image.keyring, tenant: "tenant-one") { row in
            found.withLock { found in
                switch row {
                case .intact(let change):
                    found.keys[change.key.string] = try? Held(change.entry, change.key, image.cipher)
                case .altered(let change), .unreadable(let change): found.lost.append(change.number)
                }
            }
        }
        return found.withLock { $0 }
    }

    @Test(arguments: [false, true])
    func `a file that is in order is clean at every stage, and is not written to`(log: Bool) async throws {
        try await withFile(log: log) { image, path in
            let report = try await examine(image, path)
            #expect(report.isClean, "\(report.findings)")
            #expect(report.findings.isEmpty, "\(report.findings)")
            #expect(Swift.Set(report.examined) == Swift.Set(DoctorReport.Stage.allCases))
            let rows = try #require(report.rows)
            #expect(rows.verified.intactRows == 9)
            #expect(rows.exportable == 8)
            #expect(rows.deadLetters == 1)
            #expect(try await salvage(image, path).keys == image.whole.held)
            #expect(try Data(contentsOf: URL(filePath: path)) == image.database)
            if log { #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == image.log) }
        }
    }

    @Test func `a file that was being set aside is named as such`() async throws {
        try await withFile { image, path in
            #expect(link(path, path + "-damaged") == 0)
            let report = try await examine(image, path)
            #expect(report.code == .damagedStore)
            #expect(report.findings.first?.problem.contains("interrupted") == true)
        }
    }

    @Test func `altered rows are named by change, read past, and set aside so that the feed flows on`() async throws {
        try await withFile { image, path in
            // One synchronised, one pending, in whatever table they are.
            for table in ["entries", "overflow"] {
                try runSQL(path, "UPDATE \(table) SET expires_at = expires_at + 1 WHERE change_seq IN (2, 7)")
            }
            try runSQL(path, "UPDATE dead_letters SET sealed = zeroblob(length(sealed))")
            let before = try await examine(image, path)
            #expect(before.code == .tamperedStore)
            #expect(Swift.Set(before.rows?.verified.failures.map(\.sequence.number) ?? []) == [2, 7])
            #expect(before.rows?.failedPending == 1)
            #expect(before.rows?.alteredDeadLetters == 1)
            let salvaged = try await salvage(image, path)
            #expect(Swift.Set(salvaged.lost) == [2, 7])
            #expect(salvaged.keys == image.whole.held.filter { !["users:2", "users:7"].contains($0.key) })

            let aside = path + "-aside"
            let report = try await DamageImage.configuration(path).setAside(
                into: aside, DamageImage.context(image.keyring))
            #expect(Swift.Set(report.changes.map(\.number)) == [2, 7])
            #expect(report.pending == 1)
            #expect(report.deadLetters == 1)
            let lines = try String(contentsOfFile: aside, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 3)
            for line in lines {
                let row = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                #expect(row?["sealed_meta"] != nil || row?["sealed"] != nil)
            }
            #expect(try FileManager.default.attributesOfItem(atPath: aside)[.posixPermissions] as? Int == 0o600)
            #expect(try await examine(image, path).isClean)
            let store = try await image.open(path)
            let feed = try await store.changes(after: .zero, origin: nil, limit: 100, byteLimit: 1 << 20)
            #expect(
                feed.map(\.entry.sequence.number) == image.whole.feed.map(\.sequence).filter { ![2, 7].contains($0) })
            #expect(try await store.read([CacheKey("users:2")])[0] == nil)
            await store.close()
            // What is kept is never written over.
            #expect(
                await code {
                    _ = try await DamageImage.configuration(path).setAside(
                        into: aside, DamageImage.context(image.keyring))
                } == .invalidArgument)
        }
    }

    @Test func `rows on a page that can't be read are read past and named by their changes`() async throws {
        let folder = try DamageImage.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/cache.db"
        let image = try await DamageImage.make(withLog: false)
        var configuration = DamageImage.configuration(path)
        configuration.hashBits = 63
        let store = try await SQLiteStore.open(configuration, DamageImage.context(image.keyring))
        for number in 0..<200 {
            try await store.commit([
                LocalChange(
                    key: CacheKey("key:\(number)"), value: [UInt8(number)], form: .plain, mode: .native,
                    expiresAt: ManualClock().now().advanced(by: .seconds(600)))
            ])
        }
        await store.close()
        // Leaves of the rows' table have type 13 (sqlite.org/fileformat2.html#b_tree_pages); the first pages are the schema's.
        var bytes = try Data(contentsOf: URL(filePath: path))
        let leaves = stride(from: 512 * 60, to: bytes.count, by: 512).filter { bytes[$0] == 13 && bytes[$0 + 4] > 0 }
        try #require(leaves.count > 60)
        let broken = [leaves[20], leaves[21], leaves[40]]
        for page in broken { bytes[page] = 0xFF }
        try bytes.write(to: URL(filePath: path))

        let found = Mutex<(intact: Swift.Set<String>, lost: [UInt64])>(([], []))
        let places = try await configuration.salvage(keyring: image.keyring, tenant: "tenant-one") { row in
            found.withLock { found in
                switch row {
                case .intact(let change): found.intact.insert(change.key.string)
                case .altered(let change), .unreadable(let change): found.lost.append(change.number)
                }
            }
        }
        let (intact, lost) = found.withLock { $0 }
        #expect(places >= 1)
        #expect(!lost.isEmpty && lost.count <= 12, "\(lost)")
        // Each change is a key of its own here: every one is either given or named.
        #expect(intact.count + lost.count == 200)
        #expect(intact.isDisjoint(with: lost.map { "key:\($0 - 1)" }))
        let report = try await configuration.examine(
            keyring: image.keyring, tenant: "tenant-one", clock: ManualClock())
        #expect(report.rows?.verified.failedRows == lost.count)
        #expect(report.rows?.exportable == intact.count)
        let damaged = try await SQLiteStore.open(configuration, DamageImage.context(image.keyring))
        #expect(try await damaged.verify().failedRows == lost.count)
        await damaged.close()
    }

    @Test func `a file cut short still gives what is left of it`() async throws {
        try await withFile { image, path in
            var most = 0
            for pages in 1..<image.database.count / 512 {
                try image.write(path, database: image.database.prefix(image.database.count - pages * 512))
                let report = try await examine(image, path)
                #expect(report.code == .damagedStore)
                guard let salvaged = try? await salvage(image, path) else { continue }
                for (key, held) in salvaged.keys { #expect(held == image.whole.held[key]) }
                most = max(most, salvaged.keys.count)
            }
            #expect(most > 0)
        }
    }

    @Test func `looking at an emptied file leaves the log beside it as it is`() async throws {
        try await withFile(log: true) { image, path in
            try image.write(path, database: Data())
            #expect(try await examine(image, path).code == .damagedStore)
            #expect(await code { _ = try await salvage(image, path) } == .damagedStore)
            #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == image.log)
        }
    }

    @Test func `a damaged log is told, and set aside whole`() async throws {
        try await withFile(log: true) { image, path in
            var log = image.log
            log[40] ^= 1
            try image.write(path, log: log)
            #expect(await code { _ = try await image.open(path) } == .damagedStore)
            let report = try await examine(image, path)
            #expect(report.findings.contains { $0.stage == .log && $0.code == .damagedStore })
            #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == log)
            let outcome = try await DamageImage.configuration(path).setAside(
                into: path + "-aside", DamageImage.context(image.keyring))
            #expect(outcome.hasSetLogAside)
            #expect(try Data(contentsOf: URL(filePath: path + "-aside-wal")) == log)
            let store = try await image.open(path)
            #expect(try await store.verify().isClean)
            await store.close()
        }
    }

    @Test func `a refused setting aside leaves nothing behind, and the next try finds its place free`() async throws {
        try await withFile(log: true) { image, path in
            var log = image.log
            log[40] ^= 1
            try log.write(to: URL(filePath: path + "-wal"))
            let file = try Data(contentsOf: URL(filePath: path))
            let wrong = try Keyring(current: MasterKey.generate())
            let configuration = DamageImage.configuration(path)
            let refusal = await code {
                _ = try await configuration.setAside(into: path + "-aside", DamageImage.context(wrong))
            }
            #expect(refusal == .wrongMasterKey)
            #expect(try Data(contentsOf: URL(filePath: path + "-wal")) == log)
            #expect(try Data(contentsOf: URL(filePath: path)) == file)
            for name in ["-aside", "-aside-wal"] { #expect(!FileManager.default.fileExists(atPath: path + name)) }
            var elsewhere = DamageImage.context(image.keyring)
            elsewhere.tenant = "tenant-two"
            #expect(
                await code { _ = try await configuration.setAside(into: path + "-other", elsewhere) }
                    == .invalidConfiguration)
            #expect(!FileManager.default.fileExists(atPath: path + "-other"))
            _ = try await configuration.setAside(into: path + "-aside", DamageImage.context(image.keyring))
        }
    }

    @Test func `a definition that was taken away is told, and the rows are read without it`() async throws {
        try await withFile { image, path in
            try runSQL(
                path,
                """
                PRAGMA writable_schema=ON;
                DELETE FROM sqlite_schema WHERE name = 'entries_by_change';
                PRAGMA writable_schema=RESET;
                """)
            let report = try await examine(image, path)
            #expect(report.findings.contains { $0.stage == .schema })
            #expect(await code { _ = try await image.open(path) } == .damagedStore)
            #expect(try await salvage(image, path).keys == image.whole.held)
        }
    }

    @Test func `indexes that do not fit their table are built anew, and the feed is whole again`() async throws {
        try await withFile { image, path in
            let root = try queryInteger(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'entries_by_change'")
            var bytes = try Data(contentsOf: URL(filePath: path))
            let page = (Int(root) - 1) * 512
            try #require(bytes[page] == 10, "the index is one leaf")
            // The first cell: length, header of 5 bytes, then the change (sqlite.org/fileformat2.html#record_format).
            let cell = page + (Int(bytes[page + 8]) << 8 | Int(bytes[page + 9]))
            bytes[cell + 6] ^= 0x40
            try bytes.write(to: URL(filePath: path))
            let report = try await examine(image, path)
            #expect(report.findings.map(\.stage) == [.structure], "\(report.findings)")
            #expect(report.findings.first?.remedy.contains("--set-aside") == true, "\(report.findings)")
            let outcome = try await DamageImage.configuration(path).setAside(
                into: path + "-aside", DamageImage.context(image.keyring))
            #expect(outcome.hasRebuiltIndexes && outcome.rows == 0)
            #expect(try await examine(image, path).isClean)
            let store = try await image.open(path)
            let feed = try await store.changes(after: .zero, origin: nil, limit: 100, byteLimit: 1 << 20)
            #expect(feed.map(\.entry.sequence.number) == image.whole.feed.map(\.sequence))
            await store.close()
        }
    }

    @Test func `keys, records and files of others are told apart`() async throws {
        try await withFile { image, path in
            let other = try Keyring(current: MasterKey.generate())
            #expect(try await examine(image, path, keyring: other).code == .wrongMasterKey)
            try runSQL(path, "DELETE FROM meta WHERE name = 'clock'")
            let records = try await examine(image, path)
            #expect(records.findings.map(\.stage) == [.records])
            #expect(records.rows?.exportable == 8)
            #expect(try await salvage(image, path).keys == image.whole.held)
            try runSQL(path, "UPDATE meta SET content = zeroblob(40) WHERE name GLOB 'wrap:*'")
            #expect(try await examine(image, path).findings.contains { $0.stage == .keys && $0.code == .damagedStore })
            try Data("somebody's notes, longer than a header is: \(String(repeating: ".", count: 100))".utf8)
                .write(to: URL(filePath: path))
            #expect(try await examine(image, path).code == .notADatabase)
            try FileManager.default.removeItem(atPath: path)
            #expect(try await examine(image, path).code == .inputOutput)
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }

    @Test func `a file that others may read is named, and is no damage`() async throws {
        try await withFile { image, path in
            chmod(path, 0o644)
            let report = try await examine(image, path)
            #expect(report.isClean)
            #expect(report.findings.map(\.stage) == [.permissions])
        }
    }
}
