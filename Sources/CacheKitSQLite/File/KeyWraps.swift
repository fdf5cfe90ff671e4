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
        var name: String { "wrap:" + key.fingerprint.description }
    }

    private func wrappingKeys(_ keyring: Keyring) throws(CacheError) -> [WrappingKey] {
        var keys: [WrappingKey] = []
        for master in keyring.keys {
            keys.append(
                WrappingKey(key: try SealingKey(master.derive(domain: Self.domain, tenant: databaseID))))
        }
        return keys
    }

    /// Draws the file's keys and wraps them for every master key of the ring.
    func create(_ keyring: Keyring, _ meta: MetaTable) throws(CacheError) {
        let secret = try SecretBytes.random(count: FileKeys.byteCount)
        for key in try wrappingKeys(keyring) { try write(secret, for: key, meta) }
    }

    /// Unwraps the file's keys with any master key of the ring; adds the wraps that the ring's others lack.
    ///
    /// - Throws: `wrongMasterKey` if none of the ring's keys is known to the file, `damagedStore` if one is known but its
    ///   wrap does not open.
    func open(_ keyring: Keyring, _ connection: SQLiteConnection, _ meta: MetaTable) throws(CacheError) -> FileKeys {
        let (secret, missing) = try unwrapSecret(keyring, connection)
        if !missing.isEmpty {
            try connection.transaction { () throws(CacheError) in
                for key in missing { try write(secret, for: key, meta) }
            }
        }
        return try FileKeys(secret, databaseID: databaseID)
    }

    /// Unwraps the file's keys and writes nothing.
    func unwrap(_ keyring: Keyring, _ connection: SQLiteConnection) throws(CacheError) -> FileKeys {
        try FileKeys(unwrapSecret(keyring, connection).0, databaseID: databaseID)
    }

    private func unwrapSecret(
        _ keyring: Keyring, _ connection: SQLiteConnection
    ) throws(CacheError) -> (SecretBytes, missing: [WrappingKey]) {
        let (stored, hasDamaged) = try readWraps(connection)
        var secret: SecretBytes?
        var missing: [WrappingKey] = []
        var isKnown = false
        for key in try wrappingKeys(keyring) {
            // Every wrap is compared in full, so that time says nothing about how much of a check value fits.
            var wrap: [UInt8]?
            for row in stored where ConstantTime.equal(Array(row.prefix(16)), key.check) { wrap = row }
            guard let wrap else {
                missing.append(key)
                continue
            }
            isKnown = true
            if secret == nil {
                secret = try? key.key.openSecret(Array(wrap.dropFirst(16)), associatedData: Self.associatedData)
            }
        }
        guard isKnown || !hasDamaged else { throw Self.damaged }
        guard isKnown else {
            throw CacheError(
                .wrongMasterKey, "none of the master keys given opens this file; give the one it was written with")
        }
        guard let secret, secret.count == FileKeys.byteCount else {
            throw Self.damaged
        }
        return (secret, missing)
    }

    private static var damaged: CacheError {
        CacheError(.damagedStore, "the file's wrapped keys are damaged; keep a copy and run 'cachekit doctor'")
    }

    private func readWraps(
        _ connection: SQLiteConnection
    ) throws(CacheError) -> (rows: [[UInt8]], hasDamaged: Bool) {
        let statement = try connection.prepare("SELECT content FROM meta WHERE name GLOB 'wrap:*' LIMIT 256")
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
