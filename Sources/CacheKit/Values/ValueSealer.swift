import CacheKitCore

/// Turns a MessagePack document into the bytes that every tier holds, and back: envelope in native mode, then the seal.
struct ValueSealer: Sendable {
    /// `nil` in a plain cache, and in one that relays.
    let cipher: TenantCipher?
    let maximumValueBytes: Int
    /// Whether there is no key for anything: neither is a plain value opened then, nor is anything made.
    var isRelay = false

    /// Whether values may lie under a key that only opens.
    var hasOlderKeys: Bool { (cipher?.fingerprints.count ?? 0) > 1 }

    /// - Parameter attributes: What is kept beside the document; in interop mode nothing is.
    func seal(
        _ document: [UInt8], _ attributes: ValueAttributes = ValueAttributes(), key: CacheKey, mode: NamespaceMode
    ) throws(CacheError) -> (bytes: [UInt8], form: ValueForm) {
        try requireKey()
        guard document.count <= maximumValueBytes else {
            throw CacheError(
                .valueTooLarge,
                "the encoded value has \(document.count) bytes, the limit is \(maximumValueBytes); store it elsewhere or raise maximumValueBytes"
            )
        }
        let payload = mode == .native ? try ByteStorage.pack(attributes.prefixed(to: document)) : document
        guard let cipher else { return (payload, .plain) }
        let sealed = try cipher.seal(payload, key: key, compressed: mode.isCompressed)
        return (sealed, .sealed(cipher.currentFingerprint))
    }

    /// The document of an entry, in an array of its own that a codec may keep.
    func document(of entry: MemoryEntry, key: CacheKey) throws(CacheError) -> [UInt8] {
        try opened(entry, key: key).document
    }

    /// The document of an entry, and what is kept beside it.
    func opened(
        _ entry: MemoryEntry, key: CacheKey
    ) throws(CacheError) -> (document: [UInt8], attributes: ValueAttributes) {
        var document = try payload(of: entry, key: key)
        guard entry.mode == .native else { return (document, ValueAttributes()) }
        let attributes = try ValueAttributes(removedFrom: &document)
        return (document, attributes)
    }

    private func payload(of entry: MemoryEntry, key: CacheKey) throws(CacheError) -> [UInt8] {
        try requireKey()
        switch entry.form {
        case .plain:
            // A secure cache never falls back to plain bytes (protocol section 1).
            guard cipher == nil else {
                throw CacheError(
                    .authenticationFailed,
                    "the entry is plain and this cache is secure; write it again or open as plain")
            }
            guard entry.mode == .native else { return entry.bytes }
            return try entry.content.lend { envelope throws(CacheError) in try ByteStorage.unpack(envelope) }
        case .sealed(let fingerprint):
            guard let cipher else {
                throw CacheError(
                    .authenticationFailed, "the entry is sealed and this cache is plain; open the cache as secure")
            }
            return try entry.content.lend { sealed throws(CacheError) in
                entry.mode == .native
                    ? try cipher.openEnvelope(sealed, key: key, fingerprint: fingerprint)
                    : try cipher.open(sealed, key: key, compressed: false, fingerprint: fingerprint)
            }
        }
    }

    /// The same document under the current key, with the same associated data.
    ///
    /// - Throws: ``CacheError/Code/authenticationFailed`` where the ring's key of that fingerprint does not open it, or the
    ///   ring has none.
    func reseal(
        _ bytes: [UInt8], under fingerprint: KeyFingerprint, key: CacheKey, mode: NamespaceMode,
        with cipher: TenantCipher
    ) throws(CacheError) -> [UInt8] {
        try bytes.withUnsafeBufferPointer { bytes throws(CacheError) in
            try cipher.withOpened(
                UnsafeRawBufferPointer(bytes), key: key, compressed: mode.isCompressed, fingerprint: fingerprint
            ) { payload throws(CacheError) in
                try cipher.seal(payload, key: key, compressed: mode.isCompressed)
            }
        }
    }

    /// What bytes from the remote are: opens sealed ones once, because an entry that does not authenticate must not
    /// replace one that does.
    func recognise(_ bytes: [UInt8], key: CacheKey, mode: NamespaceMode) throws(CacheError) -> ValueForm {
        try requireKey()
        guard let cipher else { return .plain }
        return .sealed(try cipher.fingerprint(opening: bytes, key: key, compressed: mode.isCompressed))
    }
}

extension ValueSealer {
    /// A sealer for what the encryption says, with the keys that it gave.
    init(
        _ choice: Encryption.Choice, _ keys: LocalStoreKeys?, tenant: String, maximumValueBytes: Int
    ) throws(CacheError) {
        var cipher: TenantCipher?
        if choice == .secure, let keyring = try keys?.keyring {
            cipher = try TenantCipher(keyring: keyring, tenant: tenant)
        }
        self.init(cipher: cipher, maximumValueBytes: maximumValueBytes, isRelay: choice == .relay)
    }

    /// - Throws: ``CacheError/Code/missingMasterKey`` where there is only a relay key.
    func requireKey() throws(CacheError) {
        if isRelay { throw .relayKeyOpensNothing() }
    }
}
