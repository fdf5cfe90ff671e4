import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Logging
import Testing

@testable import CacheKitSQLite

/// What the file keeps of sending: how far, to which bucket, as which node.
@Suite struct SendingNoteTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop
    let vfs = try! FaultVFS()  // likewise

    private func marks(_ sequences: [Int: UInt64], of count: Int = 256) -> RemoteMarks {
        RemoteMarks(bucketCount: count, sequences: sequences)
    }

    /// The note as it stands in the file, whichever node it is of.
    private func note(_ store: SQLiteStore) async throws -> SentNote? {
        try await store.read { reader throws(CacheError) in try reader.meta.sent(store.file.keys) }
    }

    @Test(arguments: [SQLiteConfiguration.Durability.full, .relaxed], 1...8)
    func `what is noted before sending survives a power cut, whatever the durability`(
        durability: SQLiteConfiguration.Durability, seed: UInt64
    ) async throws {
        func open() async throws -> SQLiteStore {
            try await fixture.open {
                $0.vfs = vfs.name
                $0.durability = durability
                $0.readerCount = 1
            }
        }
        let store = try await open()
        for number in 0..<4 { try await store.commit([fixture.put("key\(number)", [1])]) }
        _ = try await store.changes(after: .zero, origin: .local, limit: 9, byteLimit: 1 << 20)
        try await store.beginSending(through: ChangeSequence(2), fence: [1, 2, 3])
        try await store.beginSending(through: ChangeSequence(4), fence: nil)
        let node = try await store.sendingState().node
        vfs.cutPower(at: 1)
        _ = try? await store.commit([fixture.put("last", [0])])
        await store.close()
        try vfs.restorePower(seed: seed)
        let again = try await open()
        #expect(try await note(again) == SentNote(node: node, sequence: 4, fence: [1, 2, 3]))
        await again.close()
    }

    @Test func `a note beyond the last change or too long a one is refused and changes nothing`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("k", [1])])
        #expect(
            await code { try await store.beginSending(through: ChangeSequence(2), fence: nil) } == .invalidArgument)
        let long = [UInt8](repeating: 1, count: SentNote.maximumFenceByteCount + 1)
        #expect(
            await code { try await store.beginSending(through: ChangeSequence(1), fence: long) } == .invalidArgument)
        for (count, bucket) in [(256, 256), (256, -1), (0, 0), (1 << 20, 0)] {
            let settlement = Settlement(through: ChangeSequence(1), marks: marks([bucket: 1], of: count))
            #expect(await code { try await store.settle(settlement) } == .invalidArgument)
        }
        let state = try await store.sendingState()
        #expect(state.sentThrough == .zero && state.fence == nil && state.marks == nil && state.watermark == .zero)
        await store.close()
    }

    @Test func `in a copied file nothing counts as sent or acknowledged, and in the original all does`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1]), fixture.put("b", [2])])
        try await store.beginSending(through: ChangeSequence(2), fence: [9])
        try await store.settle(Settlement(through: ChangeSequence(1), marks: marks([7: 1])))
        let former = try await store.sendingState()
        await store.close()
        let path = fixture.folder + "/copy.db"
        try FileManager.default.copyItem(atPath: fixture.path, toPath: path)
        let copy = try await fixture.open { $0.path = path }
        let state = try await copy.sendingState()
        #expect(state.node != former.node)
        #expect(state.watermark == ChangeSequence(1) && state.sentThrough == ChangeSequence(1))
        #expect(state.marks == nil)
        // Whoever sent last may have left something on its connections, also as another node.
        #expect(state.fence == [9])
        // What is overwritten was not sent by this node.
        try await copy.commit([fixture.put("b", [3])])
        #expect(try await copy.read([CacheKey("b")])[0]?.base == [])
        // The first mark of the new node forgets those of the old one.
        try await copy.settle(Settlement(through: ChangeSequence(1), marks: marks([300: 1], of: 512)))
        #expect(try await copy.sendingState().marks == marks([300: 1], of: 512))
        #expect(try queryInteger(path, "SELECT count(*) FROM marks") == 1)
        try await copy.beginSending(through: ChangeSequence(3), fence: nil)
        #expect(try await copy.sendingState().sentThrough == ChangeSequence(3))
        await copy.close()
        let original = try await fixture.open()
        #expect(try await original.sendingState() == former)
        try await original.commit([fixture.put("b", [3])])
        #expect(try await original.read([CacheKey("b")])[0]?.base == [ValueFingerprint(of: [2], form: .plain)])
        await original.close()
    }

    @Test func `a settlement rewrites one row of marks, not one for each bucket`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("k", [1])])
        let all = marks(Dictionary(uniqueKeysWithValues: (0..<256).map { ($0, UInt64($0 + 1)) }))
        try await store.settle(Settlement(through: ChangeSequence(1), marks: all))
        #expect(try await store.sendingState().marks == all)
        #expect(try readSQL(fixture.path, "SELECT bucket, length(sealed) FROM marks") == [["0", "2088"]])
        let cluster = marks([0: 1, 255: 2, 256: 3, 16_383: 4], of: 16_384)
        try await store.settle(Settlement(through: ChangeSequence(1), marks: cluster))
        #expect(try await store.sendingState().marks == cluster)
        #expect(try readSQL(fixture.path, "SELECT bucket FROM marks ORDER BY bucket") == [["0"], ["1"], ["63"]])
        // A bucket of which nothing is expected any more.
        try await store.settle(Settlement(through: ChangeSequence(1), marks: marks([256: 0], of: 16_384)))
        #expect(try await store.sendingState().marks == marks([0: 1, 255: 2, 16_383: 4], of: 16_384))
        await store.close()
    }

    @Test func `nothing of the node that a file no longer is stays in it`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("k", [1])])
        try await store.beginSending(through: ChangeSequence(1), fence: [1])
        try await store.settle(Settlement(through: .zero, marks: marks([7: 1, 300: 2], of: 512)))
        _ = try await store.reidentify()
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM marks") == 0)
        #expect(try queryInteger(fixture.path, "SELECT count(*) FROM meta WHERE name = 'sent'") == 0)
        await store.close()
    }

    static let alterations = [
        "UPDATE meta SET content = zeroblob(length(content)) WHERE name = 'sent'",
        "UPDATE meta SET content = (SELECT content FROM meta WHERE name = 'watermark') WHERE name = 'sent'",
        "UPDATE marks SET sealed = zeroblob(length(sealed))",
        "UPDATE marks SET bucket = bucket + 1",
        "UPDATE marks SET sealed = (SELECT content FROM meta WHERE name = 'watermark')",
    ]

    @Test(arguments: alterations)
    func `an altered record of sending stops the sender, no writer, until it is set aside`(sql: String) async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1]), fixture.put("b", [2])])
        try await store.beginSending(through: ChangeSequence(1), fence: nil)
        try await store.settle(Settlement(through: .zero, marks: marks([7: 1])))
        try runSQL(fixture.path, sql)
        #expect(await code { _ = try await store.sendingState() } == .tamperedStore)
        // Where nobody can tell, everything may have been sent.
        try await store.commit([fixture.put("b", [3])])
        let isNote = sql.contains("'sent'")
        #expect(try await store.read([CacheKey("b")])[0]?.base.count == (isNote ? 1 : 0))
        try await store.settle(Settlement(through: ChangeSequence(1)))
        await store.close()

        let configuration = SQLiteConfiguration(path: fixture.path)
        let keyring = try Keyring(current: fixture.masterKey)
        let report = try await configuration.examine(keyring: keyring, tenant: "tenant-one", clock: fixture.clock)
        #expect(report.code == .tamperedStore)
        #expect(report.rows?.alteredSendingRecords == 1)
        let aside = try await configuration.setAside(
            into: fixture.folder + "/aside",
            LocalStoreContext(
                keyring: keyring, tenant: "tenant-one", hasRemote: true, clock: fixture.clock,
                logger: .init(label: "test")))
        #expect(aside.records == 1 && aside.rows == 0 && aside.deadLetters == 0)
        let kept = try String(contentsOfFile: fixture.folder + "/aside", encoding: .utf8)
        #expect(kept.split(separator: "\n").count == 1 && kept.contains(isNote ? "sent" : "marks"))
        let mended = try await fixture.open()
        _ = try await mended.sendingState()
        #expect(
            try await configuration.examine(keyring: keyring, tenant: "tenant-one", clock: fixture.clock).isClean)
        await mended.close()
    }
}
