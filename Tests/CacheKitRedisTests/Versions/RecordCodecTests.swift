import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitRedis

@Suite struct RecordCodecTests {
    private static let hexes = [
        "019300000000000100000000000000ff" + "01" + "000102030405060708090a0b0c0d0e0f" + "0000019300000001",
        "ffffffffffffffff8000000000000000" + "02" + "00000000000000000000000000000000" + "7fffffffffffffff",
    ]

    private static var records: [RemoteRecord] {
        [
            RemoteRecord(
                version: Version(stamp: 0x0193_0000_0000_0001, node: 0xFF), kind: .value,
                fingerprint: ValueFingerprint(bytes: Array(0...15)) ?? .none,
                expiresAt: Timestamp(milliseconds: 0x193_0000_0001)),
            RemoteRecord(
                version: Version(stamp: .max, node: 1 << 63), kind: .tombstone, fingerprint: .none,
                expiresAt: Timestamp(milliseconds: .max)),
        ]
    }

    @Test func `records have the bytes of docs-sync`() throws {
        for (text, record) in zip(Self.hexes, Self.records) {
            let bytes = RecordCodec.encode(record)
            #expect(hex(bytes) == text)
            #expect(bytes.count == 41)
            #expect(RecordCodec.decode(bytes) == record)
        }
    }

    @Test func `what is no record is none`() {
        let bytes = RecordCodec.encode(Self.records[0])
        #expect(RecordCodec.decode(bytes.dropLast()) == nil)
        #expect(RecordCodec.decode(bytes + [0]) == nil)
        for kind: UInt8 in [0, 3, 255] {
            var other = bytes
            other[16] = kind
            #expect(RecordCodec.decode(other) == nil)
        }
        var beyond = bytes
        beyond[33] = 0x80
        #expect(RecordCodec.decode(beyond) == nil)
    }

    @Test func `a time before 1970 is written as none`() throws {
        var record = Self.records[0]
        record.expiresAt = Timestamp(milliseconds: -5)
        #expect(RecordCodec.decode(RecordCodec.encode(record))?.expiresAt == Timestamp(milliseconds: 0))
    }
}
