import COpenSSL

/// SHA-1 (FIPS 180-4), by OpenSSL: what Redis' scripts can compute too. Only to tell values apart, never for security.
public enum SHA1 {
    /// Number of bytes of a digest.
    public static let byteCount = 20

    // Fetched once, and `nonisolated(unsafe)`, as for SHA-256.
    nonisolated(unsafe) private static let algorithm = EVP_MD_fetch(nil, "SHA1", nil)

    /// The 20-byte digest of the parts, one after the other.
    public static func digest(_ parts: UnsafeRawBufferPointer...) throws(CacheError) -> [UInt8] {
        guard let context = EVP_MD_CTX_new() else { throw fault() }
        defer { EVP_MD_CTX_free(context) }
        var succeeded = EVP_DigestInit_ex2(context, algorithm, nil) == 1
        for part in parts where succeeded && !part.isEmpty {
            succeeded = EVP_DigestUpdate(context, part.baseAddress, part.count) == 1
        }
        guard succeeded else { throw fault() }
        var digest = [UInt8](repeating: 0, count: byteCount)
        guard EVP_DigestFinal_ex(context, &digest, nil) == 1 else { throw fault() }
        return digest
    }

    /// The 20-byte digest of an array.
    public static func digest(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        try bytes.lend { bytes throws(CacheError) in try digest(bytes) }
    }

    private static func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL gives no SHA-1; check its installation")
    }
}
