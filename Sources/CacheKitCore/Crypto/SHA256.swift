import COpenSSL

/// SHA-256 (FIPS 180-4), by OpenSSL.
public enum SHA256 {
    /// Number of bytes of a digest.
    public static let byteCount = 32

    private static let function = MessageDigest("SHA256", byteCount: byteCount)

    /// The 32-byte digest of the parts, one after the other.
    public static func digest(_ parts: UnsafeRawBufferPointer...) throws(CacheError) -> [UInt8] {
        try function.digest(parts)
    }

    /// The 32-byte digest of an array.
    public static func digest(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        try bytes.lend { bytes throws(CacheError) in try digest(bytes) }
    }

    // To make a context for each would be work beside the hashing. What was hashed last may stay in one.
    private static let contexts = ContextPool()

    /// Lends the 32-byte digest of bytes that are no secret, with nothing allocated for it.
    public static func withDigest<Output>(
        ofPublic bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Output
    ) throws(CacheError) -> Output {
        guard let context = contexts.take().map({ OpaquePointer($0) }) ?? EVP_MD_CTX_new() else {
            throw function.fault()
        }
        defer { if !contexts.put(UnsafeMutableRawPointer(context)) { EVP_MD_CTX_free(context) } }
        return try withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { digest throws(CacheError) in
            guard EVP_DigestInit_ex2(context, function.algorithm, nil) == 1,
                bytes.isEmpty || EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1,
                EVP_DigestFinal_ex(context, digest.baseAddress, nil) == 1
            else { throw function.fault() }
            return body(UnsafeRawBufferPointer(digest))
        }
    }
}
