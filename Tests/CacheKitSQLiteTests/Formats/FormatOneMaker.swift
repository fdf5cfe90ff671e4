import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Logging
import Testing

/// Made the files of format 1, and shows how; what was released is never made again (`Fixtures/README.md`).
@Suite struct FormatOneMaker {
    private static let folder = ProcessInfo.processInfo.environment["CACHEKIT_MAKE_FORMAT_1"]

    @Test(
        .enabled(if: folder != nil, "makes files that are kept; set CACHEKIT_MAKE_FORMAT_1 to a folder for them"),
        arguments: FormatOne.files)
    func `files of format 1 are made`(file: FormatOne) async throws {
        let fixture = try StoreFixture()
        let maker = Maker(fixture: fixture, hashBits: file.hashBits)
        try await maker.meetTheFirstKey()
        try await maker.write()
        try await maker.rotate()
        let target = try #require(Self.folder) + "/\(file.name).db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: target)
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.folder).sorted()
        #expect(names == ["cache.db", "cache.db-lease"], "it was closed, and has no log")
        let digest = try SHA256.digest([UInt8](Data(contentsOf: URL(filePath: target))))
        let node = try #require(try await maker.node())
        print(
            "\(file.name): node 0x\(String(node, radix: 16)), digest \(digest.map { String(format: "%02x", $0) }.joined())"
        )
    }
}

/// Makes one file, a second between any two changes.
private struct Maker {
    let fixture: StoreFixture
    let hashBits: Int

    /// Nothing of the machine that makes it is in the file.
    private func place(_ configuration: inout SQLiteConfiguration) {
        configuration.hashBits = hashBits
        configuration.machineIDPath = "/nonexistent/machine-id"
        configuration.bootIDPath = "/nonexistent/boot_id"
    }

    private func open(_ numbers: Int...) async throws -> (store: SQLiteStore, keyring: Keyring) {
        let keys = try numbers.map { try FormatOne.key($0) }
        let keyring = try Keyring(current: keys[0], previous: Array(keys.dropFirst()))
        return (try await fixture.open(keyring: keyring, tenant: FormatOne.tenant, place), keyring)
    }

    private func caches(_ store: SQLiteStore, _ keyring: Keyring) async throws -> (secure: Cache, plain: Cache) {
        var configuration = CacheConfiguration()
        configuration.tenant = FormatOne.tenant
        configuration.clock = fixture.clock
        configuration.defaultTTL = .seconds(30 * 86_400)
        let key = KeySource.keyring(keyring)
        return (
            try await Cache(local: Opened(store: store), encryption: .secure(key: key), configuration: configuration),
            try await Cache(
                local: Opened(store: store), encryption: .plain(fileKey: key), configuration: configuration)
        )
    }

    private func tick() { fixture.clock.advance(by: .seconds(1)) }

    private func document(_ key: String) throws -> MessagePackValue {
        try #require(FormatOne.rows.first { $0.key == key }?.document)
    }

    /// A value as a remote holds it, in interop mode.
    private func fill(_ key: String, _ store: SQLiteStore, _ cipher: TenantCipher?) async throws {
        let name = try CacheKey(key)
        let document = try document(key).encoded(canonical: true)
        tick()
        let change = LocalChange(
            key: name, value: try cipher?.seal(document, key: name, compressed: false) ?? document,
            form: cipher.map { .sealed($0.currentFingerprint) } ?? .plain, mode: .interop,
            expiresAt: fixture.clock.now().advanced(by: .seconds(30 * 86_400)))
        #expect(try await store.fill([RemoteFill(change: change, expected: nil)]) == [true])
    }

    /// The first key is current once, and retired before it sealed anything.
    func meetTheFirstKey() async throws {
        await (try open(1)).store.close()
        let (store, _) = try await open(2, 1)
        try await store.retire(
            TenantCipher(keyring: Keyring(current: FormatOne.key(1)), tenant: FormatOne.tenant).fingerprints)
        await store.close()
    }

    /// Changes 1 to 12, and the watermark.
    func write() async throws {
        let (store, keyring) = try await open(2)
        let (secure, plain) = try await caches(store, keyring)
        let people = secure.namespace("people", of: MessagePackValue.self)
        let shared = secure.namespace("shared", of: MessagePackValue.self, mode: .interop)
        let open = plain.namespace("open", of: MessagePackValue.self)
        let lent = plain.namespace("lent", of: MessagePackValue.self, mode: .interop)
        tick()
        try await people.set(document("people:ada"), for: "ada")
        tick()
        try await shared.set(document("shared:ada"), for: "ada")
        tick()
        try await open.set(document("open:ada"), for: "ada")
        try await lent.set(document("lent:ada"), for: "ada")
        tick()
        try await people.set(document("people:large"), for: "large")
        tick()
        try await people.set("gone", for: "gone")
        tick()
        try await people.delete("gone")
        tick()
        try await people.set(document("people:brief"), for: "brief", ttl: .seconds(60))
        try await fill("shared:read", store, TenantCipher(keyring: keyring, tenant: FormatOne.tenant))
        try await fill("lent:read", store, nil)
        tick()
        try await shared.set("first", for: "changed")
        tick()
        try await people.set(document("people:refused"), for: "refused")
        let letter = DeadLetter(
            sequence: FormatOne.deadLetter, key: try CacheKey("people:refused"),
            reason: CacheError(.remoteRejected, "the remote refused the change"))
        try await store.settle(Settlement(through: FormatOne.watermark, deadLetters: [letter]))
        await secure.shutdown()
        await plain.shutdown()
    }

    /// A third key becomes current and takes what is settled; then changes 13 to 17.
    func rotate() async throws {
        let (store, keyring) = try await open(3, 2)
        let (secure, plain) = try await caches(store, keyring)
        let people = secure.namespace("people", of: MessagePackValue.self)
        let shared = secure.namespace("shared", of: MessagePackValue.self, mode: .interop)
        let open = plain.namespace("open", of: MessagePackValue.self)
        let lent = plain.namespace("lent", of: MessagePackValue.self, mode: .interop)
        let report = try await secure.reseal()
        #expect((report.resealed, report.waiting) == (6, 1))
        tick()
        try await shared.set(document("shared:changed"), for: "changed")
        tick()
        try await lent.set(document("lent:waiting"), for: "waiting")
        tick()
        try await open.delete("unwanted")
        tick()
        try await people.set(document("people:late"), for: "late", ttl: .seconds(60))
        try await fill("shared:fresh", store, TenantCipher(keyring: keyring, tenant: FormatOne.tenant))
        await secure.shutdown()
        await plain.shutdown()
    }

    /// The node that stamped the changes.
    func node() async throws -> UInt64? {
        let (store, _) = try await open(3, 2)
        let row = try await store.read([CacheKey("people:ada")])[0]
        await store.close()
        return row?.version.node
    }
}
