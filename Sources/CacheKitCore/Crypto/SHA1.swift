/// SHA-1 (FIPS 180-4), by OpenSSL: what Redis' scripts can compute too. Only to tell values apart, never for security.
public enum SHA1 {
    /// Number of bytes of a digest.
    public static let byteCount = 20

    private static let function = MessageDigest("SHA1", byteCount: byteCount)

    /// The 20-byte digest of the parts, one after the other.
    public static func digest(_ parts: UnsafeRawBufferPointer...) throws(CacheError) -> [UInt8] {
        try function.digest(parts)
    }

    /// The 20-byte digest of an array.
    public static func digest(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        try bytes.lend { bytes throws(CacheError) in try digest(bytes) }
    }
}
