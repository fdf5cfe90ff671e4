import COpenSSL

/// HMAC-SHA256 (RFC 2104) under a kept key; safe from any number of threads.
///
/// Contexts keep the hashed key between calls and are cleansed with the authenticator.
public final class MessageAuthenticator: Sendable {
    /// Number of bytes of a code.
    public static let byteCount = 32

    private let key: SecretBytes
    private let contexts = ContextPool()

    // Fetched once, like every algorithm here. `nonisolated(unsafe)` because OpenSSL's fetched algorithms are immutable and
    // counted.
    nonisolated(unsafe) private static let algorithm = EVP_MAC_fetch(nil, "HMAC", nil)

    /// Takes a key of any length.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` when OpenSSL has no HMAC-SHA256.
    public init(_ key: SecretBytes) throws(CacheError) {
        self.key = key
        guard let context = makeContext() else { throw Self.fault() }
        giveBack(context)
    }

    deinit {
        while let context = contexts.take() { EVP_MAC_CTX_free(OpaquePointer(context)) }
    }

    /// The 32-byte code of the bytes, written to `code`, which has room for it.
    ///
    /// - Throws: ``CacheError/Code/internalFault`` when OpenSSL fails.
    public func authenticate(
        _ bytes: UnsafeRawBufferPointer, into code: UnsafeMutableRawBufferPointer
    ) throws(CacheError) {
        precondition(code.count >= Self.byteCount, "a code has 32 bytes")
        guard let context = contexts.take().map({ OpaquePointer($0) }) ?? makeContext() else { throw Self.fault() }
        var written = 0
        // Without a key, initialising goes back to the kept one.
        let succeeded =
            EVP_MAC_init(context, nil, 0, nil) == 1
            && EVP_MAC_update(context, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count) == 1
            && EVP_MAC_final(
                context, code.baseAddress?.assumingMemoryBound(to: UInt8.self), &written, Self.byteCount) == 1
        guard succeeded else {
            EVP_MAC_CTX_free(context)
            throw Self.fault()
        }
        giveBack(context)
    }

    /// The 32-byte code of an array.
    public func authenticate(_ bytes: [UInt8]) throws(CacheError) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: Self.byteCount)
        try bytes.lend { bytes throws(CacheError) in
            try code.withUnsafeMutableBufferPointer { code throws(CacheError) in
                try authenticate(bytes, into: UnsafeMutableRawBufferPointer(code))
            }
        }
        return code
    }

    private func makeContext() -> OpaquePointer? {
        guard let context = EVP_MAC_CTX_new(Self.algorithm) else { return nil }
        let digest: StaticString = "SHA256"
        let name: StaticString = "digest"
        var parameters = [
            OSSL_PARAM_construct_utf8_string(
                UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
                UnsafeMutableRawPointer(mutating: digest.utf8Start).assumingMemoryBound(to: CChar.self),
                digest.utf8CodeUnitCount),
            OSSL_PARAM_construct_end(),
        ]
        let initialized = key.withBytes { key in
            EVP_MAC_init(context, key.baseAddress?.assumingMemoryBound(to: UInt8.self), key.count, &parameters) == 1
        }
        guard initialized else {
            EVP_MAC_CTX_free(context)
            return nil
        }
        return context
    }

    private func giveBack(_ context: OpaquePointer) {
        if !contexts.put(UnsafeMutableRawPointer(context)) { EVP_MAC_CTX_free(context) }
    }

    private static func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL gives no HMAC-SHA256; check its installation")
    }
}

extension MessageAuthenticator: CustomStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "MessageAuthenticator(redacted)" }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
