/// Seals and opens a tenant's values as every CacheKit SDK does: AES-256-GCM bound to tenant, key and mode
/// (protocol section 5).
///
/// A class, so that using it costs one reference count rather than one for each of its parts.
public final class TenantCipher: Sendable {
    private let associatedDataPrefix: [UInt8]
    private let current: SealingKey
    private let previous: [SealingKey]

    /// Derives the encryption key of each master key for the tenant, once.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` when the tenant does not have 1 to 1024 bytes.
    public init(keyring: Keyring, tenant: String) throws(CacheError) {
        func derive(_ master: MasterKey) throws(CacheError) -> SealingKey {
            try SealingKey(master.derive(domain: "encryption", tenant: tenant))
        }
        current = try derive(keyring.current)
        var older: [SealingKey] = []
        for master in keyring.previous { older.append(try derive(master)) }
        previous = older
        associatedDataPrefix = AssociatedData.prefix(tenant: tenant)
    }

    /// Names the key that seals.
    public var currentFingerprint: KeyFingerprint { current.fingerprint }

    /// Names every key that opens, the current one first.
    public var fingerprints: [KeyFingerprint] { [current.fingerprint] + previous.map(\.fingerprint) }

    /// Seals a document under the current key.
    ///
    /// - Parameters:
    ///   - document: Bare MessagePack, or the envelope around it.
    ///   - key: The physical key that it will stand under; another one does not open it.
    ///   - compressed: Whether the document is an envelope (native mode).
    public func seal(
        _ document: UnsafeRawBufferPointer, key: CacheKey, compressed: Bool
    ) throws(CacheError) -> [UInt8] {
        try SealingKey.checkSize(document.count)
        let count = document.count + SealingKey.overhead
        var outcome = AESGCM.Outcome.fault
        let sealed = [UInt8](count: count) { output in
            outcome = withAssociatedData(key, compressed) { current.sealing(document, $0, output) }
            return outcome == .success
        }
        try SealingKey.check(outcome)
        return sealed
    }

    /// Seals a document given as an array.
    public func seal(_ document: [UInt8], key: CacheKey, compressed: Bool) throws(CacheError) -> [UInt8] {
        try document.lend { document throws(CacheError) in try seal(document, key: key, compressed: compressed) }
    }

    /// Opens a sealed document.
    ///
    /// - Parameters:
    ///   - sealed: `nonce(12) || ciphertext || tag(16)`.
    ///   - key: The physical key that it stands under.
    ///   - compressed: Whether the document is an envelope (native mode).
    ///   - fingerprint: The key that sealed it, where that is known; else the current and then the previous keys are tried.
    /// - Throws: ``CacheError/Code/authenticationFailed`` when no key opens it, or none has the fingerprint.
    public func open(
        _ sealed: UnsafeRawBufferPointer, key: CacheKey, compressed: Bool, fingerprint: KeyFingerprint? = nil
    ) throws(CacheError) -> [UInt8] {
        try SealingKey.checkSealedSize(sealed.count)
        let candidates = try candidates(fingerprint)
        let count = sealed.count - SealingKey.overhead
        var outcome = AESGCM.Outcome.fault
        let document = [UInt8](count: count) { output in
            outcome = opening(sealed, key, compressed, candidates, output.baseAddress)
            return outcome == .success
        }
        try SealingKey.check(outcome)
        return document
    }

    /// Opens a sealed document given as an array.
    public func open(
        _ sealed: [UInt8], key: CacheKey, compressed: Bool, fingerprint: KeyFingerprint? = nil
    ) throws(CacheError) -> [UInt8] {
        try sealed.lend { sealed throws(CacheError) in
            try open(sealed, key: key, compressed: compressed, fingerprint: fingerprint)
        }
    }

    /// Opens a sealed document into scratch memory and lends it, for a caller that decodes it at once.
    public func withOpened<Result>(
        _ sealed: UnsafeRawBufferPointer, key: CacheKey, compressed: Bool, fingerprint: KeyFingerprint? = nil,
        _ body: (UnsafeRawBufferPointer) throws(CacheError) -> Result
    ) throws(CacheError) -> Result {
        try SealingKey.checkSealedSize(sealed.count)
        let candidates = try candidates(fingerprint)
        let count = sealed.count - SealingKey.overhead
        return try Scratch.lend(count + Self.aliasDistance) { scratch throws(CacheError) in
            let start = Self.start(of: count, in: scratch, opening: sealed)
            let document = UnsafeMutableRawBufferPointer(rebasing: scratch[start..<start + count])
            try SealingKey.check(opening(sealed, key, compressed, candidates, document.baseAddress))
            return try body(UnsafeRawBufferPointer(document))
        }
    }

    /// Opens a sealed envelope and unpacks it: the way of every read of a secure native entry.
    ///
    /// - Throws: As ``open(_:key:compressed:fingerprint:)-([UInt8],_,_,_)``, and ``CacheError/Code/invalidEnvelope``.
    public func openEnvelope(
        _ sealed: UnsafeRawBufferPointer, key: CacheKey, fingerprint: KeyFingerprint? = nil
    ) throws(CacheError) -> [UInt8] {
        try withOpened(sealed, key: key, compressed: true, fingerprint: fingerprint) { envelope throws(CacheError) in
            try ByteStorage.unpack(envelope)
        }
    }

    private static let aliasDistance = 128

    // Output that lies 16 to 64 bytes ahead of its input, modulo a page, makes the processor wait for its own stores: up to
    // 1.4 x slower. Here the place can be chosen.
    private static func start(
        of count: Int, in scratch: UnsafeMutableRawBufferPointer, opening sealed: UnsafeRawBufferPointer
    ) -> Int {
        let output = UInt(bitPattern: scratch.baseAddress)
        let input = UInt(bitPattern: sealed.baseAddress) &+ UInt(AESGCM.nonceByteCount)
        return (output &- input) & 4095 < UInt(aliasDistance) ? aliasDistance : 0
    }

    /// Opens a sealed document only to learn which key of the ring sealed it.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed`` when no key opens it.
    public func fingerprint(opening sealed: [UInt8], key: CacheKey, compressed: Bool) throws(CacheError)
        -> KeyFingerprint
    {
        for candidate in fingerprints.dropLast() {
            do {
                _ = try open(sealed, key: key, compressed: compressed, fingerprint: candidate)
                return candidate
            } catch  where error.code == .authenticationFailed {
                continue
            }
        }
        // The last one's refusal is the answer for all.
        let last = previous.last?.fingerprint ?? current.fingerprint
        _ = try open(sealed, key: key, compressed: compressed, fingerprint: last)
        return last
    }

    private func opening(
        _ sealed: UnsafeRawBufferPointer, _ key: CacheKey, _ compressed: Bool, _ candidates: [SealingKey],
        _ output: UnsafeMutableRawPointer?
    ) -> AESGCM.Outcome {
        withAssociatedData(key, compressed) { associatedData in
            if candidates.isEmpty { return current.opening(sealed, associatedData, output) }
            var outcome = AESGCM.Outcome.refused
            for key in candidates where outcome == .refused {
                outcome = key.opening(sealed, associatedData, output)
            }
            return outcome
        }
    }

    /// The keys to try in turn. None stands for the current one alone: the usual case costs no array and no reference.
    private func candidates(_ fingerprint: KeyFingerprint?) throws(CacheError) -> [SealingKey] {
        if fingerprint == current.fingerprint { return [] }
        guard let fingerprint else { return previous.isEmpty ? [] : [current] + previous }
        guard let key = previous.first(where: { $0.fingerprint == fingerprint }) else {
            throw CacheError(
                .authenticationFailed, "the value was sealed by a key that the keyring lacks; add it as a previous key")
        }
        return [key]
    }

    @inline(__always)
    private func withAssociatedData(
        _ key: CacheKey, _ compressed: Bool, _ body: (UnsafeRawBufferPointer) -> AESGCM.Outcome
    ) -> AESGCM.Outcome {
        associatedDataPrefix.withUnsafeBytes {
            AssociatedData.withV3(prefix: $0, key: key, compressed: compressed, body)
        }
    }
}
