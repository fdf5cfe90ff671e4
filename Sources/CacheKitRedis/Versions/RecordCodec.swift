internal import CacheKit
internal import CacheKitCore

/// A record as a bucket holds it: version (16 bytes), kind (1), fingerprint (16), end in Unix milliseconds (8); all integers
/// big-endian (docs/sync.md, "Buckets").
enum RecordCodec {
    /// How long a record is.
    static let byteCount = 41

    /// Adds the bytes of a record.
    static func append(_ record: RemoteRecord, to bytes: inout [UInt8]) {
        bytes.append(bigEndian: record.version.stamp)
        bytes.append(bigEndian: record.version.node)
        bytes.append(record.kind.rawValue)
        bytes.append(record.fingerprint)
        bytes.append(bigEndian: time(record.expiresAt))
    }

    /// The bytes of a record.
    static func encode(_ record: RemoteRecord) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        append(record, to: &bytes)
        return bytes
    }

    /// A record from its bytes; `nil` for what is none.
    static func decode(_ bytes: [UInt8]) -> RemoteRecord? { decode(bytes[...]) }

    /// A record from its bytes; `nil` for what is none.
    static func decode(_ bytes: ArraySlice<UInt8>) -> RemoteRecord? {
        bytes.withUnsafeBytes { bytes in
            guard bytes.count == byteCount, let kind = RemoteRecord.Kind(rawValue: bytes[16]),
                let end = Int64(exactly: bytes.bigEndian(at: 33, as: UInt64.self))
            else { return nil }
            return RemoteRecord(
                version: Version(stamp: bytes.bigEndian(at: 0), node: bytes.bigEndian(at: 8)), kind: kind,
                fingerprint: ValueFingerprint(loading: bytes, at: 17), expiresAt: Timestamp(milliseconds: end))
        }
    }

    /// A time as buckets and the script have it: there is none before 1970.
    static func time(_ time: Timestamp) -> UInt64 { UInt64(max(0, time.milliseconds)) }
}

extension [UInt8] {
    /// Adds the 16 bytes of a fingerprint.
    mutating func append(_ fingerprint: ValueFingerprint) {
        append(bigEndian: fingerprint.high)
        append(bigEndian: fingerprint.low)
    }
}

extension UInt64 {
    /// A number from at most 8 bytes, the highest first.
    init(bigEndian bytes: some Collection<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
