import CFaultVFS
import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// What may be lost of commits that were not synced, and what must not be.
@Suite struct UnsyncedCommitTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let vfs = try! FaultVFS()  // likewise

    private func open(
        _ durability: SQLiteConfiguration.Durability, hasRemote: Bool = true
    ) async throws -> SQLiteStore {
        try await fixture.open(keyring: both, hasRemote: hasRemote) {
            $0.vfs = vfs.name
            $0.durability = durability
            $0.readerCount = 1
        }
    }

    private var both: Keyring { get throws { try Keyring(current: newKey, previous: [fixture.masterKey]) } }
    private let newKey = try! MasterKey.generate()  // likewise

    /// Fails the next change to the disk and all after it, and closes.
    private func cut(_ stores: SQLiteStore..., seed: UInt64) async throws {
        vfs.cutPower(at: 1)
        _ = try? await stores[0].commit([fixture.put("last", [0])])
        for store in stores { await store.close() }
        try vfs.restorePower(seed: seed)
    }

    @Test(arguments: 1...12) func `what a pusher of full durability takes from a relaxed service survives a power cut`(
        seed: UInt64
    ) async throws {
        let service = try await open(.relaxed)
        let pusher = try await open(.full)
        for number in 0..<4 { try await service.commit([fixture.put("key\(number)", [1])]) }
        let changes = try await pusher.changes(after: .zero, origin: .local, limit: 9, byteLimit: 1 << 20)
        #expect(changes.count == 4)
        try await cut(service, pusher, seed: seed)
        let again = try await open(.relaxed)
        for number in 0..<4 { #expect(try await again.value("key\(number)") == [1]) }
        await again.close()
    }

    @Test(arguments: ["settle", "reseal", "sweep"], 1...12)
    func `a relaxed file on which only other work than writes was done opens after a power cut`(
        work: String, seed: UInt64
    ) async throws {
        let old = try Keyring(current: fixture.masterKey)
        let full = try await open(.full)
        for number in 0..<6 { try await full.commit([fixture.sealedPut("key\(number)", "text", old)]) }
        if work == "reseal" { try await full.settle(Settlement(through: ChangeSequence(6))) }
        await full.close()
        let store = try await open(.relaxed)
        let cipher = try TenantCipher(keyring: both, tenant: "tenant-one")
        for number in 0..<6 {
            switch work {
            case "settle": try await store.settle(Settlement(through: ChangeSequence(UInt64(number + 1))))
            case "reseal":
                let key = try CacheKey("key\(number)")
                let resealed = ResealedValue(
                    key: key, value: try cipher.seal(Array("text".utf8), key: key, compressed: true),
                    fingerprint: cipher.currentFingerprint, expected: ChangeSequence(UInt64(number + 1)))
                #expect(try await store.reseal([resealed]) == [true])
            default:
                // Noting when rows were read commits too.
                fixture.clock.advance(by: .seconds(90))
                _ = try await store.value("key\(number)")
                _ = try await store.maintain()
            }
        }
        try await cut(store, seed: seed)
        let again = try await open(.relaxed)
        #expect(try await again.verify().isClean)
        for number in 0..<6 { #expect(try await again.value("key\(number)") != nil) }
        await again.close()
    }

    @Test(arguments: 1...6) func `a first commit that fails does not bring numbers back that a power cut took`(
        seed: UInt64
    ) async throws {
        let store = try await open(.relaxed)
        var given: [ChangeSequence] = []
        for number in 0..<5 { given += try await store.commit([fixture.put("key", [UInt8(number)])]) }
        try await cut(store, seed: seed)
        let again = try await open(.relaxed)
        vfs.fail(CK_FAULT_WRITE, at: 1, SQLITE_FULL)
        #expect(await code { try await again.commit([fixture.put("key", [9])]) } == .diskFull)
        vfs.clear()
        let next = try await again.commit([fixture.put("key", [10])])
        #expect(next[0] > given[4])
        await again.close()
    }

    @Test(arguments: 1...8) func `two relaxed processes never draw past what was reserved`(seed: UInt64) async throws {
        let stores = [try await open(.relaxed), try await open(.relaxed)]
        let given = try await withThrowingTaskGroup(of: ChangeSequence.self) { group in
            for number in 0..<24 {
                group.addTask {
                    let changes = try (0..<400).map { try self.fixture.put("key\(number):\($0)", [1]) }
                    return try await stores[number % 2].commit(changes)[399]
                }
            }
            return try await group.reduce(ChangeSequence.zero) { max($0, $1) }
        }
        try await cut(stores[0], stores[1], seed: seed)
        let again = try await open(.relaxed)
        #expect(try await again.commit([fixture.put("key", [1])])[0] > given)
        await again.close()
    }

    @Test func `commits of one page that damage took are damage, however alike`() async throws {
        let store = try await fixture.open()
        for number in 0..<5 { try await store.commit([fixture.put("key\(number)", [1])]) }
        for number in 1...5 { try await store.settle(Settlement(through: ChangeSequence(UInt64(number)))) }
        let frame = 4096 + 24
        var log = try Data(contentsOf: URL(filePath: fixture.path + "-wal"))
        // Each settlement changes one page only.
        let pages = Set((1...5).map { log[log.count - $0 * frame + 3] })
        try #require(pages.count == 1)
        let copy = fixture.folder + "/copy.db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: copy)
        log[log.count - 3 * frame + 2000] ^= 1
        try log.write(to: URL(filePath: copy + "-wal"))
        #expect(await code { _ = try await fixture.open { $0.path = copy } } == .damagedStore)
        await store.close()
    }
}
