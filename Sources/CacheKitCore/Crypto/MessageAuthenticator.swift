import COpenSSL

/// HMAC-SHA256 (RFC 2104) under a kept key; safe from any number of threads.
///
/// Keeps what SHA-256 has after the block of the key, for the inner and for the outer hash, in the place of the key. A code
/// then costs two blocks for a short message and allocates nothing; a kept `EVP_MAC` duplicates a context twice per code.
public final class MessageAuthenticator: Sendable {
    /// Number of bytes of a code.
    public static let byteCount = 32

    private static let blockByteCount = 64
    private static let stateByteCount = MemoryLayout<SHA256_CTX>.stride
    /// The inner state, then the outer one: as good as the key to whoever wants to make codes.
    private let states: SecretBytes

    /// Takes a key of any length.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` when OpenSSL has no SHA-256.
    public init(_ key: SecretBytes) throws(CacheError) {
        let block = try SecretBytes(count: Self.blockByteCount) { block throws(CacheError) in
            try key.withBytes { key throws(CacheError) in
                if key.count <= block.count {
                    block.copyMemory(from: key)
                } else {
                    block.copyBytes(from: try SHA256.digest(key))
                }
            }
        }
        states = try SecretBytes(count: 2 * Self.stateByteCount) { states throws(CacheError) in
            for (number, pad) in [UInt8(0x36), 0x5C].enumerated() {
                let padded = try SecretBytes(count: Self.blockByteCount) { padded throws(CacheError) in
                    block.withBytes { block in
                        for index in padded.indices { padded[index] = block[index] ^ pad }
                    }
                }
                var state = SHA256_CTX()
                defer { OPENSSL_cleanse(&state, Self.stateByteCount) }
                let succeeded = padded.withBytes { padded in
                    ck_sha256_init(&state) == 1 && ck_sha256_update(&state, padded.baseAddress, padded.count) == 1
                }
                guard succeeded else { throw Self.fault() }
                states.storeBytes(of: state, toByteOffset: number * Self.stateByteCount, as: SHA256_CTX.self)
            }
        }
    }

    /// The 32-byte code of the bytes, written to `code`, which has room for it.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` when OpenSSL fails.
    public func authenticate(
        _ bytes: UnsafeRawBufferPointer, into code: UnsafeMutableRawBufferPointer
    ) throws(CacheError) {
        precondition(code.count >= Self.byteCount, "a code has 32 bytes")
        guard authenticating(bytes, code) else { throw Self.fault() }
    }

    /// The 32-byte code of an array.
    public func authenticate(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        let code = [UInt8](count: Self.byteCount) { code in bytes.lend { authenticating($0, code) } }
        guard !code.isEmpty else { throw Self.fault() }
        return code
    }

    /// The 32-byte code of a text's UTF-8.
    public func authenticate(_ text: String) throws(CacheError) -> [UInt8] {
        let code = [UInt8](count: Self.byteCount) { code in
            text.utf8.withContiguousStorageIfAvailable { authenticating(UnsafeRawBufferPointer($0), code) }
                ?? Array(text.utf8).lend { authenticating($0, code) }
        }
        guard !code.isEmpty else { throw Self.fault() }
        return code
    }

    private func authenticating(_ bytes: UnsafeRawBufferPointer, _ code: UnsafeMutableRawBufferPointer) -> Bool {
        guard let code = code.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
        return states.withBytes { states in
            var state = states.load(as: SHA256_CTX.self)
            defer { OPENSSL_cleanse(&state, Self.stateByteCount) }
            guard ck_sha256_update(&state, bytes.baseAddress, bytes.count) == 1, ck_sha256_final(code, &state) == 1
            else { return false }
            state = states.load(fromByteOffset: Self.stateByteCount, as: SHA256_CTX.self)
            return ck_sha256_update(&state, code, Self.byteCount) == 1 && ck_sha256_final(code, &state) == 1
        }
    }

    private static func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL gives no SHA-256; check its installation")
    }
}

extension MessageAuthenticator: CustomStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "MessageAuthenticator(redacted)" }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
