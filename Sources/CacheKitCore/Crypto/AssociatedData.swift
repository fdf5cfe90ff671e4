/// What a sealed value is bound to, version 3 (protocol section 5).
///
/// `03`, then tenant, cache key, `"msgpack"` and `True` or `False`, each as `u32be(length) || bytes`.
public enum AssociatedData {
    /// The bytes for a tenant, a key and whether the document is in an envelope (native mode) or bare (interop mode).
    public static func v3(tenant: String, key: CacheKey, compressed: Bool) -> [UInt8] {
        prefix(tenant: tenant).lend { prefix in withV3(prefix: prefix, key: key, compressed: compressed) { Array($0) } }
    }

    /// The version and the tenant: what a tenant's values share.
    static func prefix(tenant: String) -> [UInt8] {
        [3] + component(Array(tenant.utf8))
    }

    // The format and the compressed token, which follow the key. Static strings: constants without a lazy initialiser.
    private static let compressedSuffix: StaticString = "\0\0\0\u{7}msgpack\0\0\0\u{4}True"
    private static let bareSuffix: StaticString = "\0\0\0\u{7}msgpack\0\0\0\u{5}False"

    /// Lends the bytes without an allocation where they are few.
    @inline(__always)
    static func withV3<Result>(
        prefix: UnsafeRawBufferPointer, key: CacheKey, compressed: Bool, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        withUTF8(of: key) { key in
            let suffix = compressed ? compressedSuffix : bareSuffix
            let count = prefix.count + 4 + key.count + suffix.utf8CodeUnitCount
            return withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { buffer in
                buffer.copyMemory(from: prefix)
                var rest = UnsafeMutableRawBufferPointer(rebasing: buffer[prefix.count...])
                rest.storeBytes(of: UInt32(key.count).bigEndian, as: UInt32.self)
                rest = UnsafeMutableRawBufferPointer(rebasing: rest[4...])
                rest.copyMemory(from: key)
                rest = UnsafeMutableRawBufferPointer(rebasing: rest[key.count...])
                rest.copyMemory(
                    from: UnsafeRawBufferPointer(start: suffix.utf8Start, count: suffix.utf8CodeUnitCount))
                return body(UnsafeRawBufferPointer(buffer))
            }
        }
    }

    // A native string lends its bytes; `withUTF8` copies the string first, which costs its reference counting.
    @inline(__always)
    private static func withUTF8<Result>(of key: CacheKey, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        if let result = key.string.utf8.withContiguousStorageIfAvailable({ body(UnsafeRawBufferPointer($0)) }) {
            return result
        }
        var string = key.string
        return string.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    private static func component(_ bytes: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) } + bytes
    }
}
