internal import CacheKit
internal import CacheKitCore

/// The file's keys as they lie in `meta`: one row `wrap:<check value>` for each master key that may open the file.
///
/// Row: check value (16), the 96 key bytes under AES-256-GCM with a key of HKDF(master, domain `local_store`, database id
/// in the tenant's place), checksum (16). The check value is the fingerprint of that derived key.
struct KeyWraps {
    private static let domain = "local_store"
    private static let associatedData = Array("file keys v1".utf8)
    let databaseID: [UInt8]

    /// A key derived from one master key of the ring.
    private struct WrappingKey {
        let key: SealingKey
        var check: [UInt8] { key.fingerprint.bytes }
        var name: String { KeyWraps.name(check: key.fingerprint) }
    }

    static func name(check: KeyFingerprint) -> String { "wrap:" + check.description }

    private func wrappingKeys(_ keyring: Keyring) throws(CacheError) -> [WrappingKey] {
        var keys: [WrappingKey] = []
        for master in keyring.keys {
            keys.append(
                WrappingKey(key: try SealingKey(master.derive(domain: Self.domain, tenant: databaseID))))
        }
        return keys
    }

    /// Draws the file's keys, wraps them for every master key of the ring, and begins the history of those.
    func create(_ keyring: Keyring, tenant: String, _ meta: MetaTable) throws(CacheError) -> FileKeys {
        let secret = try SecretBytes.random(count: FileKeys.byteCount)
        let keys = try FileKeys(secret, databaseID: databaseID)
        var history = KeyHistory()
        let wrapping = try wrappingKeys(keyring)
        try Self.admit(wrapping, Self.fingerprints(keyring, tenant), into: &history)
        for key in wrapping { try write(secret, for: key, meta) }
        try meta.setSealed(KeyHistory.name, history.encoded, keys)
        return keys
    }

    /// Unwraps the file's keys with any master key of the ring; writes nothing.
    ///
    /// - Throws: `wrongMasterKey` if none of the ring's keys has a wrap, `damagedStore` if one has but its wrap does not
    ///   open.
    func unwrap(_ keyring: Keyring, _ connection: SQLiteConnection) throws(CacheError) -> FileKeys {
        try FileKeys(unwrapSecret(wrappingKeys(keyring), connection), databaseID: databaseID)
    }

    /// Opens the file's keys with whatever was given; writes nothing.
    ///
    /// - Throws: `wrongMasterKey` also for a relay key of another file.
    func open(_ keys: LocalStoreKeys, _ connection: SQLiteConnection) throws(CacheError) -> FileKeys {
        switch keys {
        case .keyring(let keyring): return try unwrap(keyring, connection)
        case .relay(let key):
            guard key.databaseID == databaseID else {
                throw CacheError(
                    .wrongMasterKey,
                    "the relay key was made for another file; make one for this with 'cachekit keys export --relay'")
            }
            return try FileKeys(key.secret, databaseID: databaseID)
        }
    }

    /// The first two of the file's keys.
    func relayKey(_ keyring: Keyring, _ connection: SQLiteConnection) throws(CacheError) -> RelayKey {
        let secret = try unwrapSecret(wrappingKeys(keyring), connection)
        let relayed = try secret.withBytes { bytes throws(CacheError) in
            try SecretBytes(copying: UnsafeRawBufferPointer(rebasing: bytes[..<RelayKey.secretByteCount]))
        }
        return try RelayKey(databaseID: databaseID, secret: relayed)
    }

    /// Adds the wraps that keys of the ring lack, unless they were retired, and notes which key is current now.
    ///
    /// - Throws: `wrongMasterKey` if the ring's current key was retired: it opens nothing of what comes.
    func admit(
        _ keyring: Keyring, tenant: String, _ keys: FileKeys, _ connection: SQLiteConnection, _ meta: MetaTable
    ) throws(CacheError) {
        let ring = try wrappingKeys(keyring)
        let fingerprints = try Self.fingerprints(keyring, tenant)
        guard try admission(ring, fingerprints, keys, connection, meta) != nil else { return }
        try connection.transaction { () throws(CacheError) in
            // Again: another process may have admitted or retired a key meanwhile.
            guard let (history, missing) = try admission(ring, fingerprints, keys, connection, meta) else { return }
            let secret = try unwrapSecret(ring, connection)
            for key in missing { try write(secret, for: key, meta) }
            try meta.setSealed(KeyHistory.name, history.encoded, keys)
        }
    }

    /// What admitting the ring would change; `nil` for nothing.
    private func admission(
        _ ring: [WrappingKey], _ fingerprints: [KeyFingerprint], _ keys: FileKeys, _ connection: SQLiteConnection,
        _ meta: MetaTable
    ) throws(CacheError) -> (history: KeyHistory, missing: [WrappingKey])? {
        let before = try KeyHistory.read(meta, keys)
        func isRetired(_ key: WrappingKey) -> Bool { before.record(check: key.check)?.isRetired == true }
        if let current = ring.first, isRetired(current) {
            throw CacheError(
                .wrongMasterKey, "the current master key was retired from this file; make the one after it current")
        }
        let wrapped = try readWraps(connection).rows.map { Array($0.prefix(16)) }
        var history = before
        let allowed = ring.indices.filter { !isRetired(ring[$0]) }
        try Self.admit(allowed.map { ring[$0] }, allowed.map { fingerprints[$0] }, into: &history)
        let missing = allowed.map { ring[$0] }.filter { !wrapped.contains($0.check) }
        return history == before && missing.isEmpty ? nil : (history, missing)
    }

    /// Notes keys, the current one first.
    private static func admit(
        _ ring: [WrappingKey], _ fingerprints: [KeyFingerprint], into history: inout KeyHistory
    ) throws(CacheError) {
        for (key, fingerprint) in zip(ring, fingerprints) { try history.admit(check: key.check, fingerprint) }
        if let current = ring.first { history.promote(check: current.check) }
    }

    /// The tenant's key of each master key, in the ring's order.
    private static func fingerprints(_ keyring: Keyring, _ tenant: String) throws(CacheError) -> [KeyFingerprint] {
        try TenantCipher(keyring: keyring, tenant: tenant).fingerprints
    }

    private func unwrapSecret(
        _ ring: [WrappingKey], _ connection: SQLiteConnection
    ) throws(CacheError) -> SecretBytes {
        let (stored, hasDamaged) = try readWraps(connection)
        var secret: SecretBytes?
        var isKnown = false
        for key in ring {
            // Every wrap is compared in full, so that time says nothing about how much of a check value fits.
            var wrap: [UInt8]?
            for row in stored where ConstantTime.equal(Array(row.prefix(16)), key.check) { wrap = row }
            guard let wrap else { continue }
            isKnown = true
            if secret == nil {
                secret = try? key.key.openSecret(Array(wrap.dropFirst(16)), associatedData: Self.associatedData)
            }
        }
        guard isKnown || !hasDamaged else { throw Self.damaged }
        guard isKnown else {
            throw CacheError(
                .wrongMasterKey,
                "none of the master keys given opens this file: it was written with another one, or they were retired")
        }
        guard let secret, secret.count == FileKeys.byteCount else {
            throw Self.damaged
        }
        return secret
    }

    private static var damaged: CacheError {
        CacheError(.damagedStore, "the file's wrapped keys are damaged; keep a copy and run 'cachekit doctor'")
    }

    private func readWraps(
        _ connection: SQLiteConnection
    ) throws(CacheError) -> (rows: [[UInt8]], hasDamaged: Bool) {
        let statement = try connection.prepare(
            "SELECT content FROM meta WHERE name GLOB 'wrap:*' LIMIT \(KeyHistory.maximumCount)")
        var rows: [[UInt8]] = []
        var hasDamaged = false
        while try statement.step() {
            // A damaged wrap of another master key is no reason not to open with this one.
            guard let row = try? MetaTable.verify(statement.bytes(0)) else {
                hasDamaged = true
                continue
            }
            rows.append(row)
        }
        guard hasDamaged || !rows.isEmpty else {
            throw CacheError(.damagedStore, "the file holds no wrapped keys; keep a copy and restore a backup")
        }
        return (rows, hasDamaged)
    }

    private func write(_ secret: SecretBytes, for key: WrappingKey, _ meta: MetaTable) throws(CacheError) {
        let sealed = try key.key.seal(secret: secret, associatedData: Self.associatedData)
        try meta.setChecked(key.name, key.check + sealed)
    }
}
