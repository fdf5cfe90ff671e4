internal import CacheKitCore

/// The keyed hash that stands for a key in the file: HMAC-SHA256(index key, key), 32 bytes.
struct KeyHash: Hashable, Sendable {
    let bytes: [UInt8]
    /// The row's integer key: the upper 63 bits, or fewer where a test wants collisions.
    let id: Int64

    init(bytes: [UInt8], bits: Int) {
        self.bytes = bytes
        id = Self.id(bytes, bits: bits)
    }

    static func id(_ bytes: some Sequence<UInt8>, bits: Int) -> Int64 {
        Int64(bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> UInt64(64 - bits))
    }
}
