import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation
import Testing

/// What is deleted is gone: also its sealed bytes, which whoever finds the key later could open.
@Suite struct DeletedBytesTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// Sealed bytes that are known, because a sealed value is stored as it is given. On a page with others, or on pages of its own.
    private func sealed(_ number: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(number))
        return (0..<(number.isMultiple(of: 2) ? 1000 : 30_000)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// How many of the values have left 64 bytes of their beginning, middle or end in the folder.
    private func remains(_ numbers: Range<Int>) throws -> Int {
        let names = try FileManager.default.contentsOfDirectory(atPath: fixture.folder)
        let files = try names.map { name in
            let bytes = try Data(contentsOf: URL(filePath: fixture.folder + "/" + name))
            return name.hasSuffix(".db") ? Self.withoutGaps(bytes) : bytes
        }
        return numbers.count { number in
            let value = sealed(number)
            return [0, value.count / 2, value.count - 64].contains { start in
                files.contains { $0.range(of: Data(value[start..<start + 64])) != nil }
            }
        }
    }

    /// A database with zeroes between the cells of each page of a tree and their index, where nothing is.
    ///
    /// SQLite leaves copies there of rows that it moved to a neighbour when it balanced the tree, whatever `secure_delete` says
    /// (https://www.sqlite.org/fileformat2.html#b_tree_pages). About every seventieth run of these tests had a piece of one.
    private static func withoutGaps(_ database: Data) -> Data {
        var bytes = [UInt8](database)
        for page in stride(from: 0, to: bytes.count, by: 4096) {
            let header = page == 0 ? 100 : page
            let isLeaf = bytes[header] == 13 || bytes[header] == 10
            guard isLeaf || bytes[header] == 5 || bytes[header] == 2 else { continue }
            func number(at place: Int) -> Int { Int(bytes[header + place]) << 8 | Int(bytes[header + place + 1]) }
            let (begin, end) = (header + (isLeaf ? 8 : 12) + 2 * number(at: 3), page + number(at: 5))
            guard begin < end, end <= page + 4096 else { continue }
            bytes.replaceSubrange(begin..<end, with: repeatElement(0, count: end - begin))
        }
        return Data(bytes)
    }

    private func put(_ key: Int, _ value: Int) throws -> LocalChange {
        var change = try fixture.put("key\(key)", sealed(value))
        change.form = .sealed(try #require(KeyFingerprint(bytes: [UInt8](repeating: 7, count: 16))))
        return change
    }

    private func filled(_ count: Int) async throws -> SQLiteStore {
        let store = try await fixture.open()
        for number in 0..<count { try await store.commit([put(number, number)]) }
        #expect(try remains(0..<count) == count, "what is there is found")
        return store
    }

    @Test func `deleted and overwritten values leave no bytes once the file is closed`() async throws {
        let store = try await filled(40)
        for number in 0..<10 { try await store.commit([fixture.delete("key\(number)")]) }
        for number in 10..<20 { try await store.commit([put(number, 100 + number)]) }
        await store.close()
        #expect(try remains(0..<20) == 0)
        #expect(try remains(20..<40) == 20)
        #expect(try remains(110..<120) == 10)
    }

    @Test func `swept and evicted values leave no bytes once the file is closed`() async throws {
        var store = try await filled(90)
        try await store.settle(Settlement(through: ChangeSequence(90)))
        await store.close()
        store = try await fixture.open { $0.sizeLimit = 1 << 20 }
        while try await store.maintain() {}
        let kept = try await store.statistics().entries
        #expect(kept < 80)
        await store.close()
        #expect(try remains(0..<90) == kept)
    }

    @Test func `closing empties the log, also while another process has the file open`() async throws {
        let other = try await fixture.open()
        let store = try await filled(10)
        for number in 0..<10 { try await store.commit([fixture.delete("key\(number)")]) }
        #expect(try remains(0..<10) == 10, "deleted bytes are in the log")
        await store.close()
        let log = try FileManager.default.attributesOfItem(atPath: fixture.path + "-wal")[.size] as? Int
        #expect(log == 0)
        #expect(try remains(0..<10) == 0)
        await other.close()
        #expect(!FileManager.default.fileExists(atPath: fixture.path + "-wal"))
    }
}
