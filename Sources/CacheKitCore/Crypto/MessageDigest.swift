import COpenSSL

/// A hash function of OpenSSL, fetched once: a lookup per call costs more than hashing a short message.
///
/// Unchecked: what OpenSSL has fetched is immutable and counted.
struct MessageDigest: @unchecked Sendable {
    let algorithm: OpaquePointer?
    let byteCount: Int
    private let name: String

    init(_ name: String, byteCount: Int) {
        algorithm = EVP_MD_fetch(nil, name, nil)
        self.byteCount = byteCount
        self.name = name
    }

    /// The digest of the parts, one after the other.
    func digest(_ parts: [UnsafeRawBufferPointer]) throws(CacheError) -> [UInt8] {
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

    func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL gives no \(name); check its installation")
    }
}
