internal import CacheKit
internal import CacheKitCore

/// The two tables that hold rows; the number is part of what a row's seal is bound to.
enum RowTable: UInt8, CaseIterable {
    case entries = 1
    case overflow = 2

    var name: String { self == .entries ? "entries" : "overflow" }

    /// Every column that a read needs, in the order that ``RowCodec`` expects.
    static let columns = columnsBesideValue + ", value"
    /// The same without the value, which is not even read from the file then.
    static let columnsBesideValue =
        "key_hash, sealed_meta, version, change_seq, origin, base, expires_at, stale_at, accessed_at, key_fingerprint"
}

/// Seals rows and opens them; every read of a row passes through here.
struct RowCodec: Sendable {
    let keys: FileKeys
    /// Bits of a key's hash that make the row's id; 63 except in tests.
    let hashBits: Int

    func hash(_ key: CacheKey) throws(CacheError) -> KeyHash {
        try KeyHash(bytes: keys.hash(key.string), bits: hashBits)
    }

    /// Opens the metadata of the row that a statement stands on and compares every column with it.
    ///
    /// Reads from SQLite's own memory: no column is copied, and the plaintext lies on the stack.
    ///
    /// - Parameter key: The key that the row must name; any for `nil`.
    func metadata(
        _ row: PreparedStatement, table: RowTable, expecting key: CacheKey? = nil
    ) throws(CacheError) -> RowMetadata {
        let metadata = try metadataBesideValue(row, table: table, expecting: key)
        let value = row.blob(10)
        guard value.count == metadata.valueLength, RowMetadata.tag(of: value) == metadata.valueTag,
            row.isNull(10) == metadata.isTombstone
        else { throw Self.tampered }
        return metadata
    }

    /// The same for a statement that leaves the value out, and so without comparing that.
    func metadataBesideValue(
        _ row: PreparedStatement, table: RowTable, expecting key: CacheKey? = nil
    ) throws(CacheError) -> RowMetadata {
        let opened = try? keys.withOpenedMetadata(row.blob(1), table: table, hash: row.blob(0)) {
            RowMetadata($0, expecting: key)
        }
        guard let metadata = opened, Self.columns(of: row, are: metadata) else { throw Self.tampered }
        return metadata
    }

    private static func columns(of row: PreparedStatement, are metadata: RowMetadata) -> Bool {
        let version = row.blob(2)
        guard version.count == 16, version.bigEndian(at: 0) == metadata.version.stamp,
            version.bigEndian(at: 8) == metadata.version.node,
            UInt64(bitPattern: row.integer(3)) == metadata.sequence,
            row.integer(4) == Int64(metadata.origin.rawValue),
            metadata.hasBaseColumn ? RowBase(row.blob(5)) == metadata.base : row.isNull(5),
            row.integer(6) == metadata.expiresAt, row.integer(7) == metadata.staleAt
        else { return false }
        if let fingerprint = metadata.fingerprint {
            let column = row.blob(9)
            guard column.count == 16, column.bigEndian(at: 0) == fingerprint.high,
                column.bigEndian(at: 8) == fingerprint.low
            else { return false }
        } else {
            guard row.isNull(9) else { return false }
        }
        return true
    }

    /// The entry that a statement stands on, its value opened if it belongs to a plain namespace and there is a key for it.
    ///
    /// - Parameters:
    ///   - key: The key that the row must name; any for `nil`.
    ///   - checksValue: Whether every byte of a value under the tenant's key is authenticated too. Its reader finds
    ///     out when opening it, so only those need this who hand it on unopened.
    func entry(
        _ row: PreparedStatement, table: RowTable, expecting key: CacheKey? = nil, checksValue: Bool = false
    ) throws(CacheError) -> (RowMetadata, StoredEntry) {
        let metadata = try metadata(row, table: table, expecting: key)
        if checksValue, metadata.fingerprint != nil {
            guard try RowMetadata.digest(of: row.blob(10)) == metadata.valueDigest else { throw Self.tampered }
        }
        var value: [UInt8]?
        var withheldByteCount: Int?
        if metadata.fingerprint == nil, !metadata.isTombstone, !keys.opensValues {
            value = []
            withheldByteCount = max(0, metadata.valueLength - SealingKey.overhead)
        } else if !metadata.isTombstone {
            value =
                metadata.fingerprint != nil
                ? row.bytes(10) : try? keys.openValue(row.blob(10), hash: row.blob(0), version: metadata.version)
            guard value != nil else { throw Self.tampered }
        }
        var entry = StoredEntry(
            value: value, form: metadata.fingerprint.map { .sealed($0) } ?? .plain, mode: metadata.mode,
            version: metadata.version, sequence: ChangeSequence(metadata.sequence), origin: metadata.origin,
            expiresAt: Timestamp(milliseconds: metadata.expiresAt), staleAt: Timestamp(milliseconds: metadata.staleAt),
            base: metadata.base.fingerprints, isSentAtAnyAge: metadata.isSentAtAnyAge, isNegative: metadata.isNegative,
            withheldByteCount: withheldByteCount)
        entry.isKeptUntilSent = metadata.isKeptUntilSent
        return (metadata, entry)
    }

    /// The value column for a change: the bytes for the remote, or, where those are plain, sealed under the file's key.
    func valueColumn(_ change: LocalChange, hash: KeyHash, version: Version) throws(CacheError) -> [UInt8]? {
        guard let value = change.value else { return nil }
        if case .sealed = change.form { return value }
        return try keys.sealValue(value, hash: hash.bytes, version: version)
    }

    static var tampered: CacheError {
        CacheError(
            .tamperedStore,
            "a row of the file does not authenticate: it was altered without its keys; run 'cachekit doctor'")
    }
}
