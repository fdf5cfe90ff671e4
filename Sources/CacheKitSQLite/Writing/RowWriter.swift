internal import CacheKit
internal import CacheKitCore

/// The statements that change rows; used inside transactions of the writer.
final class RowWriter {
    private let codec: RowCodec
    private let upserts: [RowTable: PreparedStatement]
    private let deleteEntry: PreparedStatement
    private let deleteOverflow: PreparedStatement
    private let touch: PreparedStatement
    private let selectColliding: PreparedStatement

    init(_ connection: SQLiteConnection, _ codec: RowCodec) throws(CacheError) {
        self.codec = codec
        var upserts: [RowTable: PreparedStatement] = [:]
        for table in RowTable.allCases {
            let conflict = table == .entries ? "id" : "key_hash"
            upserts[table] = try connection.prepare(
                """
                INSERT INTO \(table.name) (id, key_hash, sealed_meta, version, change_seq, origin, base, expires_at,
                    stale_at, accessed_at, key_fingerprint, value)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                ON CONFLICT (\(conflict)) DO UPDATE SET key_hash = excluded.key_hash, sealed_meta = excluded.sealed_meta,
                    version = excluded.version, change_seq = excluded.change_seq, origin = excluded.origin,
                    base = excluded.base, expires_at = excluded.expires_at, stale_at = excluded.stale_at,
                    accessed_at = excluded.accessed_at, key_fingerprint = excluded.key_fingerprint,
                    value = excluded.value
                """)
        }
        self.upserts = upserts
        deleteEntry = try connection.prepare("DELETE FROM entries WHERE id = ?1")
        deleteOverflow = try connection.prepare("DELETE FROM overflow WHERE key_hash = ?1")
        touch = try connection.prepare("UPDATE entries SET accessed_at = ?2 WHERE id = ?1 AND accessed_at < ?2")
        selectColliding = try connection.prepare("SELECT \(RowTable.columns) FROM overflow WHERE id = ?1 LIMIT 1")
    }

    /// Seals and stores a row.
    func store(
        _ change: LocalChange, _ hash: KeyHash, in table: RowTable, version: Version, sequence: UInt64,
        origin: EntryOrigin, base: [UInt8], now: Timestamp
    ) throws(CacheError) {
        let value = try codec.valueColumn(change, hash: hash, version: version)
        var fingerprint: KeyFingerprint?
        if value != nil, case .sealed(let used) = change.form { fingerprint = used }
        let tag = (value ?? []).withUnsafeBytes { RowMetadata.tag(of: $0) }
        let digest = fingerprint == nil ? 0 : try RowMetadata.digest(of: value ?? [])
        let metadata = RowMetadata(
            mode: change.mode, version: version, sequence: sequence, origin: origin,
            expiresAt: change.expiresAt.milliseconds, staleAt: change.staleAt.milliseconds, fingerprint: fingerprint,
            isTombstone: value == nil, valueLength: value?.count ?? 0, valueTag: tag,
            valueDigest: digest, base: base, key: change.key.string)
        try put(metadata, value, hash, table, accessedAt: now.milliseconds)
    }

    private func put(
        _ metadata: RowMetadata, _ value: [UInt8]?, _ hash: KeyHash, _ table: RowTable, accessedAt: Int64
    ) throws(CacheError) {
        guard let upsert = upserts[table] else { return }
        try upsert.bind(hash.id, at: 1)
        try upsert.bind(hash.bytes, at: 2)
        try upsert.bind(codec.keys.sealMetadata(metadata.encoded, table: table, hash: hash.bytes), at: 3)
        try upsert.bind(metadata.version.bytes, at: 4)
        try upsert.bind(Int64(metadata.sequence), at: 5)
        try upsert.bind(Int64(metadata.origin.rawValue), at: 6)
        try upsert.bind(metadata.base.isEmpty ? nil : metadata.base, at: 7)
        try upsert.bind(metadata.expiresAt, at: 8)
        try upsert.bind(metadata.staleAt, at: 9)
        try upsert.bind(accessedAt, at: 10)
        try upsert.bind(metadata.fingerprint?.bytes, at: 11)
        try upsert.bind(value, at: 12)
        try upsert.run()
    }

    /// Deletes a row. A key that collided with it moves from `overflow` into its place, so that it stays findable.
    func delete(_ table: RowTable, _ hash: KeyHash) throws(CacheError) {
        guard table == .entries else {
            try deleteOverflow.bind(hash.bytes, at: 1)
            return try deleteOverflow.run()
        }
        try deleteEntry.bind(hash.id, at: 1)
        try deleteEntry.run()
        try selectColliding.bind(hash.id, at: 1)
        defer { selectColliding.reset() }
        guard try selectColliding.step() else { return }
        let moved = KeyHash(bytes: selectColliding.bytes(0), bits: codec.hashBits)
        let metadata = try codec.metadata(selectColliding, table: .overflow)
        let value = selectColliding.isNull(10) ? nil : selectColliding.bytes(10)
        let accessedAt = selectColliding.integer(8)
        selectColliding.reset()
        try deleteOverflow.bind(moved.bytes, at: 1)
        try deleteOverflow.run()
        try put(metadata, value, moved, .entries, accessedAt: accessedAt)
    }

    /// Notes when a row was read.
    func touch(_ id: Int64, at time: Int64) throws(CacheError) {
        try touch.bind(id, at: 1)
        try touch.bind(time, at: 2)
        try touch.run()
    }
}
