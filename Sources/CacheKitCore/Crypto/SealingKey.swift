import COpenSSL

/// A 256-bit key that seals and opens bytes by AES-256-GCM; safe from any number of threads.
///
/// Sealed form: `nonce(12) || ciphertext || tag(16)` (protocol section 5). Contexts keep the key schedule between calls
/// and are cleansed with the key; nonces come from each context's own `NonceSource`.
public final class SealingKey: Sendable {
    /// Bytes that sealing adds: nonce and tag.
    public static let overhead = AESGCM.overhead

    /// Names the key without revealing it.
    public let fingerprint: KeyFingerprint

    private let key: SecretBytes
    private let sealers = ContextPool()
    private let openers = ContextPool()

    private struct Sealer {
        let context: OpaquePointer
        var nonces = NonceSource()
    }

    /// Takes a key of 32 bytes.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for another length.
    public init(_ key: SecretBytes) throws(CacheError) {
        guard key.count == AESGCM.keyByteCount else {
            throw CacheError(.invalidArgument, "a sealing key has 32 bytes, not \(key.count)")
        }
        self.key = key
        fingerprint = try Self.fingerprint(of: key)
    }

    deinit {
        while let context = sealers.take() { Self.free(sealer: context) }
        while let context = openers.take() { EVP_CIPHER_CTX_free(OpaquePointer(context)) }
    }

    /// Seals into the caller's buffer, which has exactly ``overhead`` bytes more than the plaintext and does not overlap it.
    ///
    /// - Throws: ``CacheError/Code/valueTooLarge`` above 2 GiB, ``CacheError/Code/invalidArgument`` for a buffer of
    ///   another size, ``CacheError/Code/internalFault`` when OpenSSL or the system's random source fails.
    public func seal(
        _ plaintext: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(CacheError) {
        try Self.checkSize(plaintext.count)
        guard output.count == plaintext.count + Self.overhead else {
            throw CacheError(.invalidArgument, "the buffer to seal into must be 28 bytes larger than the plaintext")
        }
        guard sealing(plaintext, associatedData, output) == .success else { throw Self.fault() }
    }

    /// Seals into a new array.
    public func seal(
        _ plaintext: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer
    ) throws(CacheError) -> [UInt8] {
        try Self.checkSize(plaintext.count)
        let count = plaintext.count + Self.overhead
        var outcome = AESGCM.Outcome.fault
        let sealed = [UInt8](count: count) { output in
            outcome = sealing(plaintext, associatedData, output)
            return outcome == .success
        }
        guard outcome == .success else { throw Self.fault() }
        return sealed
    }

    /// Seals an array into a new one.
    public func seal(_ plaintext: [UInt8], associatedData: [UInt8]) throws(CacheError) -> [UInt8] {
        try plaintext.lend { plaintext throws(CacheError) in
            try associatedData.lend { associatedData throws(CacheError) in
                try seal(plaintext, associatedData: associatedData)
            }
        }
    }

    /// Opens into the caller's buffer, which has exactly ``overhead`` bytes less than the sealed bytes.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed`` for bytes that do not authenticate or are shorter than 28; the
    ///   buffer is zeroed then.
    public func open(
        _ sealed: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) throws(CacheError) {
        try Self.checkSealedSize(sealed.count)
        guard output.count == sealed.count - Self.overhead else {
            throw CacheError(.invalidArgument, "the buffer to open into must be 28 bytes smaller than the sealed bytes")
        }
        try Self.check(opening(sealed, associatedData, output.baseAddress))
    }

    /// Opens into a new array.
    public func open(
        _ sealed: UnsafeRawBufferPointer, associatedData: UnsafeRawBufferPointer
    ) throws(CacheError) -> [UInt8] {
        try Self.checkSealedSize(sealed.count)
        let count = sealed.count - Self.overhead
        var outcome = AESGCM.Outcome.fault
        let plaintext = [UInt8](count: count) { output in
            outcome = opening(sealed, associatedData, output.baseAddress)
            return outcome == .success
        }
        try Self.check(outcome)
        return plaintext
    }

    /// Opens an array into a new one.
    public func open(_ sealed: [UInt8], associatedData: [UInt8]) throws(CacheError) -> [UInt8] {
        try sealed.lend { sealed throws(CacheError) in
            try associatedData.lend { associatedData throws(CacheError) in
                try open(sealed, associatedData: associatedData)
            }
        }
    }

    /// Opens sealed key bytes straight into memory of their own.
    public func openSecret(_ sealed: [UInt8], associatedData: [UInt8]) throws(CacheError) -> SecretBytes {
        try Self.checkSealedSize(sealed.count)
        return try SecretBytes(count: sealed.count - Self.overhead) { output throws(CacheError) in
            try sealed.lend { sealed throws(CacheError) in
                try associatedData.lend { associatedData throws(CacheError) in
                    try open(sealed, associatedData: associatedData, into: output)
                }
            }
        }
    }

    /// Seals key bytes without a copy outside their own memory.
    public func seal(secret: SecretBytes, associatedData: [UInt8]) throws(CacheError) -> [UInt8] {
        try secret.withBytes { plaintext throws(CacheError) in
            try associatedData.lend { associatedData throws(CacheError) in
                try seal(plaintext, associatedData: associatedData)
            }
        }
    }
}

extension SealingKey {
    // The sizes of all three buffers were checked.
    func sealing(
        _ plaintext: UnsafeRawBufferPointer, _ associatedData: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer, nonce: [UInt8]? = nil
    ) -> AESGCM.Outcome {
        guard let start = output.baseAddress?.assumingMemoryBound(to: UInt8.self), let slot = takeSealer() else {
            return .fault
        }
        let sealer = slot.assumingMemoryBound(to: Sealer.self)
        if let nonce {
            precondition(nonce.count == NonceSource.byteCount, "a nonce has 12 bytes")
            output.copyBytes(from: nonce)
        } else {
            guard sealer.pointee.nonces.next(into: start) else {
                Self.free(sealer: slot)
                return .fault
            }
        }
        let outcome = AESGCM.seal(
            sealer.pointee.context, nonce: start, plaintext: plaintext, associatedData: associatedData,
            output: start + NonceSource.byteCount)
        if outcome == .fault || !sealers.put(slot) { Self.free(sealer: slot) }
        return outcome
    }

    // The output has room for the plaintext.
    func opening(
        _ sealed: UnsafeRawBufferPointer, _ associatedData: UnsafeRawBufferPointer, _ output: UnsafeMutableRawPointer?
    ) -> AESGCM.Outcome {
        let made = openers.take() ?? key.withBytes { AESGCM.makeContext(key: $0, sealing: false) }.map { .init($0) }
        guard let slot = made else { return .fault }
        let outcome = AESGCM.open(OpaquePointer(slot), sealed: sealed, associatedData: associatedData, output: output)
        if outcome == .fault || !openers.put(slot) { EVP_CIPHER_CTX_free(OpaquePointer(slot)) }
        return outcome
    }

    private func takeSealer() -> UnsafeMutableRawPointer? {
        if let slot = sealers.take() { return slot }
        guard let context = key.withBytes({ AESGCM.makeContext(key: $0, sealing: true) }) else { return nil }
        let sealer = UnsafeMutablePointer<Sealer>.allocate(capacity: 1)
        sealer.initialize(to: Sealer(context: context))
        return UnsafeMutableRawPointer(sealer)
    }

    private static func free(sealer slot: UnsafeMutableRawPointer) {
        let sealer = slot.assumingMemoryBound(to: Sealer.self)
        EVP_CIPHER_CTX_free(sealer.pointee.context)
        sealer.deinitialize(count: 1)
        sealer.deallocate()
    }

    private static func fingerprint(of key: SecretBytes) throws(CacheError) -> KeyFingerprint {
        let label = Array("key_fingerprint_v1".utf8)
        let digest = try key.withBytes { key throws(CacheError) in
            try label.lend { label throws(CacheError) in try SHA256.digest(label, key) }
        }
        guard let fingerprint = KeyFingerprint(bytes: digest.prefix(16)) else { throw fault() }
        return fingerprint
    }

    static func checkSize(_ count: Int) throws(CacheError) {
        guard count <= AESGCM.maximumPlaintextByteCount else {
            throw CacheError(.valueTooLarge, "a value of \(count) bytes can't be sealed; store it in parts below 2 GiB")
        }
    }

    static func checkSealedSize(_ count: Int) throws(CacheError) {
        guard (overhead...overhead + AESGCM.maximumPlaintextByteCount).contains(count) else {
            throw CacheError(
                .authenticationFailed, "\(count) bytes are not a sealed value; was the entry written in secure mode?")
        }
    }

    static func check(_ outcome: AESGCM.Outcome) throws(CacheError) {
        switch outcome {
        case .success: return
        case .refused:
            throw CacheError(
                .authenticationFailed,
                "sealed bytes do not authenticate; check master key, tenant and mode, else the bytes were altered")
        case .fault: throw fault()
        }
    }

    static func fault() -> CacheError {
        CacheError(.internalFault, "OpenSSL failed to seal or open; check its installation and free memory")
    }
}

extension SealingKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The fingerprint, which is not a secret.
    public var description: String { "SealingKey(\(fingerprint))" }
    /// The fingerprint, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
