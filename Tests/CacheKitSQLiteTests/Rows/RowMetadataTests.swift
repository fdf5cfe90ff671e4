import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSQLite

@Suite struct RowMetadataTests {
    private let metadata = RowMetadata(
        mode: .native, version: Version(stamp: 5, node: 6), sequence: 7, origin: .local, expiresAt: 8, staleAt: 9,
        fingerprint: KeyFingerprint(high: 1, low: 2), isTombstone: false, valueLength: 3, valueTag: 4, valueDigest: 5,
        base: RowBase(1).adding(2), key: "users:42")

    private func read(expecting key: String?) throws -> RowMetadata? {
        let key = try key.map { try CacheKey($0) }
        return metadata.encoded.withUnsafeBytes { RowMetadata($0, expecting: key) }
    }

    @Test func `what was written is read, whether the key is known or not`() throws {
        #expect(try read(expecting: nil) == metadata)
        #expect(try read(expecting: "users:42") == metadata)
    }

    @Test(arguments: ["users:43", "users:4", "users:421"])
    func `a row that names another key than the expected one is no row of it`(_ key: String) throws {
        #expect(try read(expecting: key) == nil)
    }
}
