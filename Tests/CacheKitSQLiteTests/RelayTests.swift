import CacheKit
import CacheKitTesting
import Foundation
import Logging
import Testing

@testable import CacheKitCore
@testable import CacheKitSQLite

/// A file that is opened with a relay key: everything about it, and no value of it.
struct RelayTests {
    private static let sealedText = "what the tenant wrote"
    private static let plainText = "what everybody may read in Redis"

    /// A sealed value, a plain one, and a delete; gives the relay key.
    private func prepare(_ fixture: StoreFixture) async throws -> RelayKey {
        let store = try await fixture.open()
        try await store.commit([
            fixture.sealedPut("users:1", Self.sealedText, Keyring(current: fixture.masterKey)),
            fixture.put("plain:1", Array(Self.plainText.utf8)), fixture.delete("old:1"),
        ])
        let key = try await store.relayKey()
        await store.close()
        return key
    }

    private func open(
        _ fixture: StoreFixture, _ key: RelayKey, _ adjust: (inout SQLiteConfiguration) -> Void = { _ in }
    ) async throws -> SQLiteStore {
        var configuration = SQLiteConfiguration(path: fixture.path)
        adjust(&configuration)
        return try await SQLiteStore.open(
            configuration,
            LocalStoreContext(
                keys: .relay(key), tenant: "tenant-one", hasRemote: true, clock: fixture.clock,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    @Test func `the feed has sealed values byte for byte, deletes, and plain values by name and length only`()
        async throws
    {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        let withKey = try await fixture.open()
        let expected = try await withKey.changes(after: .zero, origin: .local, limit: 10, byteLimit: 1 << 20)
        await withKey.close()
        let store = try await open(fixture, key)
        let changes = try await store.changes(after: .zero, origin: .local, limit: 10, byteLimit: 1 << 20)
        #expect(changes.map(\.key) == expected.map(\.key))
        #expect(changes.map(\.entry.version) == expected.map(\.entry.version))
        #expect(changes.map(\.entry.expiresAt) == expected.map(\.entry.expiresAt))
        #expect(changes.map(\.entry.form) == expected.map(\.entry.form))
        #expect(changes[0].entry.value == expected[0].entry.value && !changes[0].entry.needsKey)
        #expect(changes[1].entry.value == [] && changes[1].entry.needsKey && !changes[1].entry.isTombstone)
        #expect(changes[1].entry.withheldByteCount == Self.plainText.utf8.count)
        #expect(changes[2].entry.isTombstone && !changes[2].entry.needsKey)
        #expect(expected.allSatisfy { !$0.entry.needsKey })
        await store.close()
    }

    @Test func `its file holds index and metadata key, and neither value key, tenant's key nor master key`()
        async throws
    {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        let path = fixture.folder + "/relay.key"
        try key.write(to: path)
        let content = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        // All three keys of the file, unwrapped by hand as docs/file-format.md says.
        let wrap = try #require(
            try readSQL(fixture.path, "SELECT content FROM meta WHERE name GLOB 'wrap:*'").first?[0])
        let row = bytes(hex: wrap)
        let wrapping = try SealingKey(fixture.masterKey.derive(domain: "local_store", tenant: key.databaseID))
        let keys = try wrapping.open(
            Array(row.dropFirst(16).dropLast(16)), associatedData: Array("file keys v1".utf8))
        let tenant = try fixture.masterKey.derive(domain: "encryption", tenant: "tenant-one").withBytes { Array($0) }
        let master = fixture.masterKey.withHex { Array($0) }
        #expect(keys.count == 96)
        #expect(contains(content, keys[0..<32]) && contains(content, keys[32..<64]))
        #expect(!contains(content, keys[64..<96]), "the key of plain values")
        #expect(!contains(content, tenant[...]), "the key of sealed values")
        #expect(!contains(content, master[...]), "the master key, in hex")
        let raw = bytes(hex: String(decoding: master, as: UTF8.self))
        #expect(raw.count == 32 && !contains(content, raw[...]), "the master key")
        // Nor does any part of it, taken for a key, open the plain value; the value key does.
        let plain = try #require(
            try readSQL(
                fixture.path,
                "SELECT value, key_hash, version FROM entries WHERE key_fingerprint IS NULL AND value IS NOT NULL"
            ).first?.map(bytes(hex:)))
        let associatedData = [1, 0x80] + key.databaseID + plain[1] + plain[2]
        func opens(_ part: ArraySlice<UInt8>) throws -> Bool {
            let secret = try Array(part).withUnsafeBytes { try SecretBytes(copying: $0) }
            let opened = try? SealingKey(secret).open(plain[0], associatedData: associatedData)
            return opened.map { $0 == Array(Self.plainText.utf8) } ?? false
        }
        #expect(try opens(keys[64..<96]))
        for start in 0...content.count - 32 { #expect(try !opens(content[start..<start + 32]), "from byte \(start)") }
    }

    private func contains(_ bytes: [UInt8], _ part: ArraySlice<UInt8>) -> Bool {
        (0...max(0, bytes.count - part.count)).contains { bytes[$0...].starts(with: part) }
    }

    private func bytes(hex: String) -> [UInt8] {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }

    @Test func `what needs a value opened or sealed is refused, and changes nothing`() async throws {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        let store = try await open(fixture, key)
        #expect(await code { _ = try await store.verify() } == .missingMasterKey)
        #expect(await code { _ = try await store.backup(to: fixture.folder + "/copy.db") } == .missingMasterKey)
        #expect(await code { _ = try await store.relayKey() } == .missingMasterKey)
        #expect(await code { try await store.retire([]) } == .missingMasterKey)
        let put = try fixture.put("plain:2", [1])
        #expect(await code { _ = try await store.commit([put]) } == .missingMasterKey)
        let stamp = Restamp(
            key: try CacheKey("plain:1"), sequence: ChangeSequence(2), above: Version(stamp: .max / 2, node: 9))
        #expect(await code { _ = try await store.restamp([stamp], at: fixture.clock.now()) } == .missingMasterKey)
        let parked = ParkedChange(sequence: ChangeSequence(2), key: try CacheKey("plain:1"), reason: .needsKey)
        _ = try await store.settle(Settlement(through: ChangeSequence(3), parked: [parked]))
        #expect(await code { _ = try await store.drop(.parked, [parked.sequence]) } == .missingMasterKey)
        await store.close()
        #expect(!FileManager.default.fileExists(atPath: fixture.folder + "/copy.db"))
        let withKey = try await fixture.open()
        #expect(try await withKey.value("plain:1") == Array(Self.plainText.utf8))
        #expect(
            try await withKey.changesSetAside(.parked, after: .zero, limit: 10).elements.map(\.reason) == [
                .parked(.needsKey)
            ])
        #expect(try await withKey.verify().isClean)
        await withKey.close()
    }

    @Test func `the key of another file is told, and so is that of another tenant's`() async throws {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        let other = try StoreFixture()
        _ = try await prepare(other)
        #expect(await code { _ = try await open(other, key) } == .wrongMasterKey)
        let stranger = LocalStoreContext(
            keys: .relay(key), tenant: "tenant-two", hasRemote: true, clock: fixture.clock,
            logger: Logger(label: "test"))
        #expect(
            await code { _ = try await SQLiteStore.open(SQLiteConfiguration(path: fixture.path), stranger) }
                == .invalidConfiguration)
    }

    @Test func `a relay key makes no file, and makes none anew`() async throws {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        let empty = try StoreFixture()
        #expect(await code { _ = try await open(empty, key) } == .inputOutput)
        #expect(try FileManager.default.contentsOfDirectory(atPath: empty.folder).isEmpty)
        try Data(repeating: 0x5A, count: 8192).write(to: URL(fileURLWithPath: empty.path))
        #expect(await code { _ = try await open(empty, key) { $0.onDamage = .recreate } } == .notADatabase)
        #expect(try Data(contentsOf: URL(fileURLWithPath: empty.path)) == Data(repeating: 0x5A, count: 8192))
    }

    @Test func `it goes on when master keys are rotated and retired, and adds no key of its own`() async throws {
        let fixture = try StoreFixture()
        let key = try await prepare(fixture)
        func wraps() throws -> [[String]] {
            try readSQL(fixture.path, "SELECT name, content FROM meta WHERE name GLOB 'wrap:*' ORDER BY name")
        }
        let before = try wraps()
        let relay = try await open(fixture, key)
        await relay.close()
        #expect(try wraps() == before)
        let next = try MasterKey.generate()
        let ring = try Keyring(current: next, previous: [fixture.masterKey])
        let store = try await fixture.open(keyring: ring)
        _ = try await store.settle(Settlement(through: ChangeSequence(3)))
        let cache = try await fixture.cache(store, ring)
        try await cache.reseal()
        try await store.retire([ring.fingerprints[1]])
        await cache.shutdown(deadline: .zero)
        let again = try await open(fixture, key)
        let changes = try await again.changes(after: .zero, origin: .local, limit: 10, byteLimit: 1 << 20)
        #expect(changes.map(\.key.string) == ["users:1", "plain:1", "old:1"])
        await again.close()
    }
}
