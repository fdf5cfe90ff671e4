import COpenSSL

/// Key derivation by extract-and-expand (RFC 5869), by OpenSSL. About 3 us: once per key, never per entry.
public enum HKDF {
    /// `count` bytes of HKDF-SHA256; an empty salt stands for 32 zero bytes, as in the RFC.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for an empty key or a count outside 1...8160,
    ///   ``CacheError/Code/internalFault`` when OpenSSL has no HKDF.
    public static func sha256(
        key: UnsafeRawBufferPointer, salt: [UInt8], info: [UInt8], count: Int
    ) throws(CacheError) -> SecretBytes {
        guard !key.isEmpty, (1...255 * SHA256.byteCount).contains(count) else {
            throw CacheError(.invalidArgument, "HKDF-SHA256 takes a key and gives 1 to 8160 bytes")
        }
        guard let algorithm = EVP_KDF_fetch(nil, OSSL_KDF_NAME_HKDF, nil) else { throw fault() }
        defer { EVP_KDF_free(algorithm) }
        guard let context = EVP_KDF_CTX_new(algorithm) else { throw fault() }
        // Freeing cleanses the copies of key and salt that the context holds.
        defer { EVP_KDF_CTX_free(context) }
        return try SecretBytes(count: count) { output throws(CacheError) in
            let derived = withParameters(key: key, salt: salt, info: info) { parameters in
                EVP_KDF_derive(
                    context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), output.count, parameters) == 1
            }
            guard derived else { throw fault() }
        }
    }

    private static func withParameters(
        key: UnsafeRawBufferPointer, salt: [UInt8], info: [UInt8], _ body: (UnsafePointer<OSSL_PARAM>?) -> Bool
    ) -> Bool {
        // OSSL_PARAM takes mutable pointers but a derivation only reads from them. StaticString, because a parameter keeps
        // the pointer to its name.
        let digest: StaticString = "SHA256"
        return salt.withUnsafeBytes { salt in
            info.withUnsafeBytes { info in
                var parameters = [
                    OSSL_PARAM_construct_utf8_string(
                        name("digest"), UnsafeMutablePointer(mutating: name(digest)), digest.utf8CodeUnitCount),
                    octets("key", key),
                ]
                if !salt.isEmpty { parameters.append(octets("salt", salt)) }
                if !info.isEmpty { parameters.append(octets("info", info)) }
                parameters.append(OSSL_PARAM_construct_end())
                return parameters.withUnsafeBufferPointer { body($0.baseAddress) }
            }
        }
    }

    private static func octets(_ key: StaticString, _ bytes: UnsafeRawBufferPointer) -> OSSL_PARAM {
        OSSL_PARAM_construct_octet_string(
            name(key), UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    private static func name(_ string: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(string.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    private static func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL gives no HKDF-SHA256; check its installation")
    }
}
