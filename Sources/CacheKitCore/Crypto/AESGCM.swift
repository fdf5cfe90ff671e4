import COpenSSL

/// AES-256-GCM (NIST SP 800-38D) over OpenSSL contexts whose key is set once and whose nonce changes per call.
enum AESGCM {
    static let keyByteCount = 32
    static let nonceByteCount = 12
    static let tagByteCount = 16
    /// What sealing adds: nonce and tag.
    static let overhead = nonceByteCount + tagByteCount
    /// The largest plaintext; OpenSSL counts in 32 bits.
    static let maximumPlaintextByteCount = Int(Int32.max) - overhead

    enum Outcome {
        case success
        /// The bytes do not authenticate.
        case refused
        /// OpenSSL or the system's random source failed; the context is not used again.
        case fault
    }

    // Fetched once: a lookup per call costs twice a 1 KiB open. `nonisolated(unsafe)` because OpenSSL's fetched algorithms
    // are immutable and counted.
    nonisolated(unsafe) private static let cipher = EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)

    /// A context with the key set for one direction, or `nil` when OpenSSL fails.
    static func makeContext(key: UnsafeRawBufferPointer, sealing: Bool) -> OpaquePointer? {
        guard let cipher, key.count == keyByteCount, let context = EVP_CIPHER_CTX_new() else { return nil }
        let bytes = key.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard EVP_CipherInit_ex2(context, cipher, bytes, nil, sealing ? 1 : 0, nil) == 1,
            sealing || ck_decrypt_prepare(context) == 1
        else {
            EVP_CIPHER_CTX_free(context)
            return nil
        }
        return context
    }

    /// Writes ciphertext and tag to `output`, which has room for them.
    static func seal(
        _ context: OpaquePointer, nonce: UnsafePointer<UInt8>, plaintext: UnsafeRawBufferPointer,
        associatedData: UnsafeRawBufferPointer, output: UnsafeMutablePointer<UInt8>
    ) -> Outcome {
        var written: Int32 = 0
        guard EVP_EncryptInit_ex(context, nil, nil, nil, nonce) == 1 else { return .fault }
        if !associatedData.isEmpty {
            let bytes = associatedData.baseAddress?.assumingMemoryBound(to: UInt8.self)
            guard EVP_EncryptUpdate(context, nil, &written, bytes, Int32(associatedData.count)) == 1 else {
                return .fault
            }
        }
        if !plaintext.isEmpty {
            let bytes = plaintext.baseAddress?.assumingMemoryBound(to: UInt8.self)
            guard EVP_EncryptUpdate(context, output, &written, bytes, Int32(plaintext.count)) == 1 else {
                return .fault
            }
        }
        let tag = output + plaintext.count
        guard EVP_EncryptFinal_ex(context, tag, &written) == 1,
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tagByteCount), tag) == 1
        else { return .fault }
        return .success
    }

    /// Writes the plaintext to `output`, which has room for it, or zeroes it when the bytes do not authenticate.
    static func open(
        _ context: OpaquePointer, sealed: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer,
        output: UnsafeMutableRawPointer?
    ) -> Outcome {
        guard sealed.count >= overhead, let start = sealed.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return .refused
        }
        let count = sealed.count - overhead
        var written: Int32 = 0
        // OpenSSL only reads them.
        let nonce = UnsafeMutablePointer(mutating: start)
        let tag = nonce + nonceByteCount + count
        guard ck_decrypt_begin(context, nonce, tag) == 1 else { return .fault }
        if !associatedData.isEmpty {
            let bytes = associatedData.baseAddress?.assumingMemoryBound(to: UInt8.self)
            guard EVP_DecryptUpdate(context, nil, &written, bytes, Int32(associatedData.count)) == 1 else {
                return .fault
            }
        }
        let plaintext = output?.assumingMemoryBound(to: UInt8.self)
        if count > 0 {
            guard EVP_DecryptUpdate(context, plaintext, &written, start + nonceByteCount, Int32(count)) == 1 else {
                return .fault
            }
        }
        var nothing: UInt8 = 0
        guard EVP_DecryptFinal_ex(context, &nothing, &written) == 1 else {
            // Nobody may see what did not authenticate, nor meet OpenSSL's note of it later.
            OPENSSL_cleanse(output, count)
            ERR_clear_error()
            return .refused
        }
        return .success
    }
}
