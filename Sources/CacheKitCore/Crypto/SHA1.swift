import COpenSSL

/// SHA-1 (FIPS 180-4), by OpenSSL: what Redis' scripts can compute too. Only to tell values apart, never for security.
public enum SHA1 {
    /// Number of bytes of a digest.
    public static let byteCount = 20

    /// The 20-byte digest of an array.
    public static func digest(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        let isDone = bytes.withUnsafeBytes { bytes in
            EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha1(), nil) == 1
        }
        guard isDone else { throw CacheError(.internalFault, "OpenSSL gives no SHA-1; check its installation") }
        return digest
    }
}
