internal import CacheKitCore

/// The keyed hash that stands for a key in the file: HMAC-SHA256(index key, key), 32 bytes.
struct KeyHash: Hashable, Sendable {
    let bytes: [UInt8]
    /// The row's integer key: the upper 63 bits, or fewer where a test wants collisions.
    let id: Int64

    init(bytes: [UInt8], bits: Int) {
        self.bytes = bytes
        id = bytes.withUnsafeBytes { Self.id($0, bits: bits) }
    }

    static func id(_ bytes: UnsafeRawBufferPointer, bits: Int) -> Int64 {
        // A row of a damaged file may hold less.
        let first: UInt64 = bytes.count >= 8 ? bytes.bigEndian(at: 0) : bytes.reduce(0) { $0 << 8 | UInt64($1) }
        return Int64(first >> UInt64(64 - bits))
    }
}
