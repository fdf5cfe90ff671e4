import CSQLite
import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Migrations
import Testing

@Suite struct StoreTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `what was committed is read back, also after the file was opened again`() async throws {
        let store = try await fixture.open()
        let sequences = try await store.commit([fixture.put("users:1", [1, 2, 3]), fixture.delete("users:2")])
        #expect(sequences.map(\.number) == [1, 2])
        await store.close()
        let again = try await fixture.open()
        let entries = try await again.read([CacheKey("users:1"), CacheKey("users:2"), CacheKey("users:3")])
        #expect(entries[0]?.value == [1, 2, 3])
        #expect(entries[0]?.mode == .native)
        #expect(entries[1]?.isTombstone == true)
        #expect(entries[2] == nil)
        #expect(try await again.commit([fixture.put("users:1", [])]).map(\.number) == [3])
        #expect(try await again.value("users:1") == [])
        await again.close()
    }

    @Test func `a sealed value is kept as the bytes that Redis gets`() async throws {
        let store = try await fixture.open()
        let sealed = (0..<64).map { UInt8($0) }
        let fingerprint = try #require(KeyFingerprint(bytes: [UInt8](repeating: 7, count: 16)))
        var change = try fixture.put("users:1", sealed)
        change.form = .sealed(fingerprint)
        try await store.commit([change])
        let entry = try await store.read([CacheKey("users:1")])[0]
        #expect(entry?.value == sealed)
        #expect(entry?.form == .sealed(fingerprint))
        #expect(try await store.statistics().rowsByFingerprint == [fingerprint: 1])
        await store.close()
    }

    @Test func `calls after close say so`() async throws {
        let store = try await fixture.open()
        await store.close()
        #expect(await code { _ = try await store.value("a") } == .shutdown)
        #expect(await code { try await store.commit([fixture.put("a", [1])]) } == .shutdown)
        await store.close()
    }

    @Test func `two stores on one file see each other's writes`() async throws {
        let one = try await fixture.open()
        let two = try await fixture.open()
        #expect(try await two.hasForeignCommits() == false)
        try await one.commit([fixture.put("k", [1])])
        #expect(try await one.hasForeignCommits() == false)
        #expect(try await two.hasForeignCommits() == true)
        #expect(try await two.hasForeignCommits() == false)
        #expect(try await two.value("k") == [1])
        #expect(try await two.commit([fixture.put("k", [2])]).map(\.number) == [2])
        #expect(try await one.value("k") == [2])
        await one.close()
        await two.close()
    }

    @Test(arguments: [1, 4, 8])
    func `keys whose hashes collide are all found, also when one of them is forgotten`(hashBits: Int) async throws {
        let store = try await fixture.open { $0.hashBits = hashBits }
        var last: [String: [UInt8]] = [:]
        for round in UInt8(0)..<3 {
            for number in 0..<60 {
                let key = "key:\(number)"
                let seconds = number % 3 == 0 ? 10 : 600
                try await store.commit([fixture.put(key, [round, UInt8(number)], seconds: seconds)])
                last[key] = [round, UInt8(number)]
            }
        }
        for (key, value) in last { #expect(try await store.value(key) == value) }
        #expect(try await store.value("other") == nil)
        let feed = try await store.changes(after: .zero, origin: nil, limit: 1000, byteLimit: 1 << 20)
        #expect(feed.map(\.entry.sequence.number) == (121...180).map { UInt64($0) })
        let pages = try await store.changes(after: ChangeSequence(130), origin: .local, limit: 7, byteLimit: 1 << 20)
        #expect(pages.map(\.entry.sequence.number) == (131...137).map { UInt64($0) })
        try await store.settle(Settlement(through: ChangeSequence(180)))
        fixture.clock.advance(by: .seconds(60))
        while try await store.maintain() {}
        for number in 0..<60 {
            let value = try await store.value("key:\(number)")
            #expect(value == (number % 3 == 0 ? nil : [2, UInt8(number)]))
        }
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `many writers share commits, and one that fails takes no other with it`() async throws {
        let store = try await fixture.open { $0.maximumValueBytes = 100 }
        let failures = try await withThrowingTaskGroup(of: CacheError.Code?.self) { group in
            for number in 0..<200 {
                let size = number % 50 == 49 ? 101 : 10
                group.addTask { [fixture] in
                    let change = try fixture.put("key:\(number)", [UInt8](repeating: 1, count: size))
                    return await code { try await store.commit([change]) }
                }
            }
            return try await group.reduce(into: [CacheError.Code]()) { if let code = $1 { $0.append(code) } }
        }
        #expect(failures == Array(repeating: CacheError.Code.valueTooLarge, count: 4))
        let feed = try await store.changes(after: .zero, origin: .local, limit: 1000, byteLimit: 1 << 20)
        #expect(feed.map(\.entry.sequence.number) == (1...196).map { UInt64($0) })
        await store.close()
    }

    @Test func `the feed stops after about the bytes asked for, but gives at least one`() async throws {
        let store = try await fixture.open()
        for number in 0..<5 { try await store.commit([fixture.put("k\(number)", [UInt8](repeating: 0, count: 100))]) }
        #expect(try await store.changes(after: .zero, origin: nil, limit: 9, byteLimit: 1).count == 1)
        #expect(try await store.changes(after: .zero, origin: nil, limit: 9, byteLimit: 150).count == 2)
        #expect(try await store.changes(after: .zero, origin: .remote, limit: 9, byteLimit: 150).isEmpty)
        #expect(try await store.changes(after: ChangeSequence(5), origin: nil, limit: 9, byteLimit: 150).isEmpty)
        await store.close()
    }

    @Test func `the watermark only moves up, and never past the last change`() async throws {
        let store = try await fixture.open()
        try await store.commit([fixture.put("a", [1]), fixture.put("b", [2]), fixture.put("c", [3])])
        #expect(try await store.backlog().changes == 3)
        try await store.settle(Settlement(through: ChangeSequence(2)))
        try await store.settle(Settlement(through: ChangeSequence(1)))
        #expect(try await store.watermark() == ChangeSequence(2))
        #expect(await code { try await store.settle(Settlement(through: ChangeSequence(4))) } == .invalidArgument)
        #expect(try await store.backlog().changes == 1)
        #expect(try await store.backlog().oldest == fixture.clock.now())
        await store.close()
    }

    @Test func `a value from the remote is stored only where nothing is pending and nothing changed`() async throws {
        let store = try await fixture.open()
        let fill = RemoteFill(change: try fixture.put("k", [9]), expected: nil)
        #expect(try await store.fill([fill]) == [true])
        #expect(try await store.fill([fill]) == [false])
        let sequence = try await store.commit([fixture.put("k", [1])])[0]
        let second = RemoteFill(change: try fixture.put("k", [8]), expected: sequence)
        #expect(try await store.fill([second]) == [false])
        try await store.settle(Settlement(through: sequence))
        #expect(try await store.fill([second]) == [true])
        #expect(try await store.value("k") == [8])
        #expect(try await store.backlog().changes == 0)
        #expect(try await store.changes(after: .zero, origin: .local, limit: 9, byteLimit: 9).isEmpty)
        await store.close()
    }

    @Test func `the pusher's lease has one holder`() async throws {
        let one = try await fixture.open()
        let two = try await fixture.open()
        let lease = try #require(try await one.acquirePusherLease())
        #expect(try await two.acquirePusherLease() == nil)
        lease.release()
        lease.release()
        #expect(try await two.acquirePusherLease() != nil)
        await one.close()
        await two.close()
    }

    @Test func `relaxed commits come after what a crash left reserved, and a clean close gives it back`() async throws {
        let store = try await fixture.open { $0.durability = .relaxed }
        #expect(try await store.commit([fixture.put("a", [1])]).map(\.number) == [1])
        // A second store while the first lives is like one after a crash: it can't know what was lost.
        let other = try await fixture.open { $0.durability = .relaxed }
        let sequence = try await other.commit([fixture.put("a", [2])])[0]
        #expect(sequence.number > 4000)
        let feed = try await store.changes(after: .zero, origin: .local, limit: 9, byteLimit: 9)
        #expect(feed.map(\.entry.sequence) == [sequence])
        await store.close()
        await other.close()
        let last = try await fixture.open { $0.durability = .relaxed }
        #expect(try await last.commit([fixture.put("a", [3])])[0].number == sequence.number + 1)
        await last.close()
    }

    @Test func `the list of migrations is the folder`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "migrations")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
        #expect(Migrations.all.map(\.name) == files.sorted())
        for migration in Migrations.all {
            #expect(try Data(contentsOf: folder.appending(path: migration.name)) == Data(migration.sql))
            #expect(migration.name.hasPrefix("m" + String(repeating: "0", count: 4 - "\(migration.number)".count)))
        }
    }
}
