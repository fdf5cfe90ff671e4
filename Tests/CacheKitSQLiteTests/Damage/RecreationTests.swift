import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Logging
import Testing

@testable import CacheKitSQLite

/// When a damaged file is made anew, and when never.
@Suite struct RecreationTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let log = LogRecorder()

    enum Damage: String, CaseIterable {
        case cutShort, header, schemaPage, clock, emptied, log
    }

    private func make(hasRemote: Bool = false) async throws {
        let store = try await fixture.open(hasRemote: hasRemote)
        for number in 0..<20 { try await store.commit([fixture.put("key\(number)", [UInt8(number)])]) }
        await store.close()
    }

    private func damage(_ damage: Damage) throws {
        var bytes = try bytes("")
        switch damage {
        case .cutShort: bytes = bytes.prefix(bytes.count - 4096)
        case .header: bytes[18] = 9
        case .schemaPage: bytes.replaceSubrange(100..<4096, with: Data(repeating: 0xA5, count: 3996))
        case .clock: return try runSQL(fixture.path, "UPDATE meta SET content = zeroblob(90) WHERE name = 'clock'")
        case .emptied: bytes = Data()
        // Frames whose header says nothing.
        case .log: bytes = Data()
        }
        try bytes.write(to: URL(filePath: fixture.path))
        if damage == .log { try Data(repeating: 3, count: 9000).write(to: URL(filePath: fixture.path + "-wal")) }
    }

    private func bytes(_ suffix: String) throws -> Data { try Data(contentsOf: URL(filePath: fixture.path + suffix)) }

    private func exists(_ suffix: String) -> Bool { FileManager.default.fileExists(atPath: fixture.path + suffix) }

    private func reopen(
        keyring: Keyring? = nil, tenant: String = "tenant-one", hasRemote: Bool = false
    ) async throws -> SQLiteStore {
        try await fixture.open(keyring: keyring, tenant: tenant, hasRemote: hasRemote, logger: log.logger) {
            $0.onDamage = .recreate
            $0.busyTimeout = .milliseconds(300)
        }
    }

    private var warnings: [String] { log.lines.filter { $0.contains("made anew") && !$0.contains("not made anew") } }

    @Test(arguments: Damage.allCases)
    func `a damaged pure cache is refused, or made anew where that was chosen, and kept beside it`(
        damage: Damage
    ) async throws {
        try await make()
        try self.damage(damage)
        let before = try bytes("")
        let refusal = await code { _ = try await fixture.open(hasRemote: false) }
        #expect(refusal == (damage == .clock ? .tamperedStore : .damagedStore))
        #expect(try bytes("") == before)
        #expect(!exists("-damaged"))
        let store = try await reopen()
        #expect(warnings.count == 1, "\(log.lines)")
        #expect(try await store.value("key1") == nil)
        #expect(try await store.commit([fixture.put("key1", [99])]).map(\.number) == [1])
        await store.close()
        switch damage {
        case .emptied: #expect(!exists("-damaged"))
        case .log: #expect(try bytes("-damaged-log") == Data(repeating: 3, count: 9000))
        default: #expect(try bytes("-damaged") == before)
        }
        // From then on it is a file like any other.
        let again = try await fixture.open(hasRemote: false)
        #expect(try await again.value("key1") == [99])
        #expect(try await again.verify().isClean)
        await again.close()
        #expect(!exists("-new"))
    }

    @Test func `one generation is kept whole, and nothing of the one before it`() async throws {
        try await make()
        // A log whose header is damaged.
        let user = try await fixture.open(hasRemote: false)
        for number in 0..<5 { try await user.commit([fixture.put("a", [UInt8(number)])]) }
        var log = try bytes("-wal")
        log[40] ^= 1
        let first = try bytes("")
        await user.close()
        try log.write(to: URL(filePath: fixture.path + "-wal"))
        try first.write(to: URL(filePath: fixture.path))
        chmod(fixture.path + "-wal", 0o600)
        await (try reopen()).close()
        #expect(try bytes("-damaged-wal") == log)
        #expect(try bytes("-damaged") == first)
        try damage(.schemaPage)
        let second = try bytes("")
        await (try reopen()).close()
        #expect(try bytes("-damaged") == second)
        #expect(!exists("-damaged-wal"))
    }

    @Test func `setting aside that was interrupted is taken to its end, and loses neither file nor log`() async throws {
        try await make()
        try damage(.cutShort)
        let file = try bytes("")
        // As after a kill between the two names: the file has gone, its log has not.
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + "-damaged")
        try Data(repeating: 4, count: 5000).write(to: URL(filePath: fixture.path + "-wal"))
        #expect(await code { _ = try await fixture.open(hasRemote: false) } == .damagedStore)
        let store = try await reopen()
        try await store.commit([fixture.put("a", [1])])
        await store.close()
        #expect(try bytes("-damaged") == file)
        #expect(try bytes("-damaged-log") == Data(repeating: 4, count: 5000))
    }

    @Test(arguments: [false, true])
    func `a kill while the file has two names loses neither it nor its log`(hasMovedLog: Bool) async throws {
        try await make()
        // A log whose header is damaged; without it the file looks whole.
        let user = try await fixture.open(hasRemote: false)
        try await user.commit([fixture.put("a", [1])])
        var log = try bytes("-wal")
        log[40] ^= 1
        let file = try bytes("")
        await user.close()
        try file.write(to: URL(filePath: fixture.path))
        try log.write(to: URL(filePath: fixture.path + (hasMovedLog ? "-damaged-wal" : "-wal")))
        chmod(fixture.path + "-wal", 0o600)
        #expect(link(fixture.path, fixture.path + "-damaged") == 0)
        #expect(await code { _ = try await fixture.open(hasRemote: false) } == .damagedStore)
        #expect(await code { _ = try await reopen(hasRemote: true) } == .invalidConfiguration)
        let store = try await reopen()
        #expect(try await store.value("key1") == nil)
        try await store.commit([fixture.put("a", [2])])
        await store.close()
        #expect(warnings.count == 1)
        #expect(try bytes("-damaged") == file)
        #expect(try bytes("-damaged-wal") == log)
        // As the refusal says, for who would rather do it by hand.
        let again = try await fixture.open(hasRemote: false)
        #expect(try await again.value("a") == [2])
        await again.close()
    }

    @Test func `a file that is moved away while it is opened is not read with another one's log`() async throws {
        try await make()
        let connection = try SQLiteConnection(SQLiteConfiguration(path: fixture.path))
        #expect(!connection.hasMoved)
        try FileManager.default.moveItem(atPath: fixture.path, toPath: fixture.path + "-elsewhere")
        #expect(connection.hasMoved)
        try await make()
        #expect(connection.hasMoved)
    }

    @Test(arguments: Damage.allCases, [true, false])
    func `a file that ever had a remote is never made anew`(damage: Damage, hasLease: Bool) async throws {
        try await make(hasRemote: true)
        // Without the lease, as in a copy, its record tells, where that can still be read.
        if !hasLease {
            guard damage == .clock else { return }
            try FileManager.default.removeItem(atPath: fixture.path + "-lease")
        }
        try self.damage(damage)
        let before = try bytes("")
        let refusal = await code { _ = try await reopen() }
        #expect(refusal == (damage == .clock ? .tamperedStore : .damagedStore))
        #expect(try bytes("") == before)
        #expect(!exists("-damaged") && !exists("-damaged-log"))
        #expect(warnings.isEmpty)
    }

    @Test func `the choice is refused where a remote is configured`() async throws {
        #expect(await code { _ = try await reopen(hasRemote: true) } == .invalidConfiguration)
        #expect(!exists(""))
    }

    @Test func `what is not damage is never a reason, and damage none where the key or tenant is another's`()
        async throws
    {
        try await make()
        let other = try Keyring(current: MasterKey.generate())
        let whole = try bytes("")
        #expect(await code { _ = try await reopen(keyring: other) } == .wrongMasterKey)
        #expect(await code { _ = try await reopen(tenant: "tenant-two") } == .invalidConfiguration)
        #expect(try bytes("") == whole)
        // A log that can't be read is found before the key is looked at.
        let header: [UInt8] = [0x37, 0x7F, 0x06, 0x82, 0, 0x2D, 0xE2, 0x18, 0, 0, 0x10, 0]
        try Data(header + [UInt8](repeating: 0, count: 20)).write(to: URL(filePath: fixture.path + "-wal"))
        try runSQL(fixture.path, "DROP INDEX entries_by_change")
        let damaged = try bytes("")
        #expect(await code { _ = try await reopen(keyring: other) } == .wrongMasterKey)
        #expect(await code { _ = try await reopen(tenant: "tenant-two") } == .invalidConfiguration)
        #expect(try bytes("") == damaged)
        try runSQL(fixture.path, "PRAGMA user_version=99")
        #expect(await code { _ = try await reopen() } == .newerFormat)
        try Data("notes that someone keeps here, longer than a header: \(String(repeating: ".", count: 99))".utf8)
            .write(to: URL(filePath: fixture.path))
        #expect(await code { _ = try await reopen() } == .notADatabase)
        #expect(!exists("-damaged") && warnings.isEmpty)
    }

    @Test func `a file that is in use is left to its user`() async throws {
        let user = try await fixture.open(hasRemote: false)
        try await user.commit([fixture.put("a", [1])])
        try damage(.clock)
        #expect(await code { _ = try await reopen() } == .tamperedStore)
        #expect(try await user.value("a") == [1])
        #expect(!exists("-damaged") && warnings.isEmpty)
        await user.close()
        let store = try await reopen()
        #expect(try await store.value("a") == nil)
        #expect(warnings.count == 1)
        await store.close()
    }

    @Test(arguments: [Damage.cutShort, .emptied, .clock])
    func `openers that find the damage together make one new file`(damage: Damage) async throws {
        for round in 1...5 {
            try await make()
            try self.damage(damage)
            let stores = try await withThrowingTaskGroup(of: SQLiteStore.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        try await fixture.open(hasRemote: false, logger: log.logger) { $0.onDamage = .recreate }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(warnings.count == round)
            for (number, store) in stores.enumerated() {
                try await store.commit([fixture.put("by\(number)", [UInt8(number)])])
            }
            for number in stores.indices { #expect(try await stores[0].value("by\(number)") == [UInt8(number)]) }
            for store in stores { await store.close() }
            for suffix in ["", "-damaged"] { try? FileManager.default.removeItem(atPath: fixture.path + suffix) }
        }
    }

    @Test func `creation that was interrupted goes on; an empty file that nobody was making is damage`() async throws {
        // A kill between making the file and its one transaction.
        for name in ["", "-new"] { _ = FileManager.default.createFile(atPath: fixture.path + name, contents: Data()) }
        chmod(fixture.path, 0o600)
        let store = try await fixture.open(hasRemote: false)
        #expect(!exists("-new"))
        await store.close()
        try Data().write(to: URL(filePath: fixture.path))
        #expect(await code { _ = try await fixture.open(hasRemote: false) } == .damagedStore)
        #expect(try bytes("").isEmpty)
    }
}
