internal import CacheKit
internal import CacheKitCore

/// Where a key's row goes: a table, and when the row that is there was last noted as read; `nil` where none is.
struct RowPlace {
    var table: RowTable
    var accessedAt: Int64?
}

/// The statements that change rows; used inside transactions of the writer.
final class RowWriter {
    private let connection: SQLiteConnection
    private let codec: RowCodec
    /// Whether values written here begin their lives when they are first sent.
    private let keepsUntilSent: Bool
    private let inserts: [RowTable: PreparedStatement]
    private let updates: [RowTable: PreparedStatement]
    private let updatesOfAccess: [RowTable: PreparedStatement]
    private let reseals: [RowTable: PreparedStatement]
    private let deleteEntry: PreparedStatement
    private let deleteOverflow: PreparedStatement
    private let touch: PreparedStatement
    private let selectColliding: PreparedStatement
    private let finds: [RowTable: PreparedStatement]
    /// Rows that the open transaction has added, less those that it has deleted.
    var added = 0

    init(_ connection: SQLiteConnection, _ codec: RowCodec, keepsUntilSent: Bool) throws(CacheError) {
        self.connection = connection
        self.codec = codec
        self.keepsUntilSent = keepsUntilSent
        var inserts: [RowTable: PreparedStatement] = [:]
        var updates: [RowTable: PreparedStatement] = [:]
        var updatesOfAccess: [RowTable: PreparedStatement] = [:]
        for table in RowTable.allCases {
            inserts[table] = try connection.prepare(
                """
                INSERT INTO \(table.name) (id, key_hash, sealed_meta, version, change_seq, origin, base, expires_at,
                    stale_at, accessed_at, key_fingerprint, value)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?8, ?9, ?10, ?11, ?12)
                """)
            // Two forms, because SQLite rewrites the entry of each index of which a statement sets a column.
            let columns = """
                sealed_meta = ?3, version = ?4, change_seq = ?5, origin = ?6, base = NULL, expires_at = ?8, stale_at = ?9,
                key_fingerprint = ?11, value = ?12
                """
            let condition = table == .entries ? "id = ?1" : "key_hash = ?2"
            updates[table] = try connection.prepare("UPDATE \(table.name) SET \(columns) WHERE \(condition)")
            updatesOfAccess[table] = try connection.prepare(
                "UPDATE \(table.name) SET \(columns), accessed_at = ?10 WHERE \(condition)")
        }
        var reseals: [RowTable: PreparedStatement] = [:]
        for table in RowTable.allCases {
            // No column of an index is set, so that none is touched.
            reseals[table] = try connection.prepare(
                """
                UPDATE \(table.name) SET sealed_meta = ?2, base = NULL, key_fingerprint = ?4, value = ?5
                WHERE key_hash = ?1 \(table == .entries ? "AND id = ?6" : "")
                """)
        }
        self.reseals = reseals
        self.inserts = inserts
        self.updates = updates
        self.updatesOfAccess = updatesOfAccess
        finds = [
            .entries: try connection.prepare("SELECT change_seq FROM entries WHERE id = ?1"),
            .overflow: try connection.prepare("SELECT change_seq FROM overflow WHERE key_hash = ?1"),
        ]
        deleteEntry = try connection.prepare("DELETE FROM entries WHERE id = ?1")
        deleteOverflow = try connection.prepare("DELETE FROM overflow WHERE key_hash = ?1")
        touch = try connection.prepare("UPDATE entries SET accessed_at = ?2 WHERE id = ?1 AND accessed_at < ?2")
        selectColliding = try connection.prepare("SELECT \(RowTable.columns) FROM overflow WHERE id = ?1")
    }

    /// Seals and stores a row: a new one, or in the place of one that was last noted as read then.
    func store(
        _ hashed: HashedChange, in place: RowPlace, version: Version, sequence: UInt64, origin: EntryOrigin,
        base: RowBase, now: Timestamp
    ) throws(CacheError) {
        let change = hashed.change
        let value = try codec.valueColumn(change, hash: hashed.hash, version: version)
        var fingerprint: KeyFingerprint?
        if value != nil, case .sealed(let used) = change.form { fingerprint = used }
        let tag = (value ?? []).withUnsafeBytes { RowMetadata.tag(of: $0) }
        var metadata = RowMetadata(
            mode: change.mode, version: version, sequence: sequence, origin: origin,
            expiresAt: change.expiresAt.milliseconds, staleAt: change.staleAt.milliseconds, fingerprint: fingerprint,
            isTombstone: value == nil, valueLength: value?.count ?? 0, valueTag: tag,
            valueDigest: hashed.digest, base: change.isNegative ? RowBase() : base,
            key: change.key.string)
        metadata.isNegative = change.isNegative
        metadata.isKeptUntilSent = keepsUntilSent && origin == .local && value != nil && !change.isNegative
        try put(metadata, value, hashed.hash, in: place, accessedAt: now.milliseconds)
    }

    /// Seals and stores a row whose value column is at hand, noting that it was used then.
    func put(
        _ metadata: RowMetadata, _ value: [UInt8]?, _ hash: KeyHash, in place: RowPlace, accessedAt: Int64
    ) throws(CacheError) {
        let table = place.table
        let statement: PreparedStatement?
        let isAccessNoted: Bool
        if let last = place.accessedAt {
            // A time ahead of this clock is put right.
            isAccessNoted = AccessLog.isDue(last: last, now: accessedAt) || last > accessedAt
            statement = (isAccessNoted ? updatesOfAccess : updates)[table]
        } else {
            isAccessNoted = true
            statement = inserts[table]
        }
        guard let statement else { return }
        if table == .entries || place.accessedAt == nil { try statement.bind(hash.id, at: 1) }
        if table == .overflow || place.accessedAt == nil { try statement.bind(hash.bytes, at: 2) }
        try statement.bind(codec.keys.sealMetadata(metadata.encoded, table: table, hash: hash.bytes), at: 3)
        try statement.bind(metadata.version.bytes, at: 4)
        try statement.bind(Int64(metadata.sequence), at: 5)
        try statement.bind(Int64(metadata.origin.rawValue), at: 6)
        try statement.bind(metadata.expiresAt, at: 8)
        try statement.bind(metadata.staleAt, at: 9)
        if isAccessNoted { try statement.bind(accessedAt, at: 10) }
        try statement.bind(metadata.fingerprint?.bytes, at: 11)
        try statement.run(value, at: 12)
        try requireStored(hash, metadata.sequence, in: table)
        if place.accessedAt == nil { added += 1 }
    }

    /// A row can go astray on a page whose order is damaged in a way that SQLite does not notice: it must not be acknowledged.
    private func requireStored(_ hash: KeyHash, _ sequence: UInt64, in table: RowTable) throws(CacheError) {
        guard let find = finds[table] else { return }
        if table == .entries { try find.bind(hash.id, at: 1) } else { try find.bind(hash.bytes, at: 1) }
        defer { find.reset() }
        guard try find.step(), find.integer(0) == Int64(sequence) else {
            throw CacheError(
                .damagedStore,
                "a row is not found where it was just stored, so pages are damaged; run 'cachekit doctor'")
        }
    }

    /// Puts a value under another key of the tenant in the place of the same one.
    func reseal(_ metadata: RowMetadata, _ value: [UInt8], _ hash: KeyHash, in table: RowTable) throws(CacheError) {
        guard let statement = reseals[table] else { return }
        try statement.bind(hash.bytes, at: 1)
        try statement.bind(codec.keys.sealMetadata(metadata.encoded, table: table, hash: hash.bytes), at: 2)
        try statement.bind(metadata.fingerprint?.bytes, at: 4)
        if table == .entries { try statement.bind(hash.id, at: 6) }
        try statement.run(value, at: 5)
    }

    /// Deletes a row. A key that collided with it moves from `overflow` into its place, so that it stays findable; a row
    /// with which only altered ones collide stays, because without it nobody would notice them.
    func delete(_ table: RowTable, _ hash: KeyHash) throws(CacheError) {
        guard table == .entries else {
            return try deleteOverflow(hash)
        }
        if try moveColliding(to: hash.id) == .none { try deleteEntry(hash.id) }
    }

    /// Deletes a row that does not authenticate, by its integer key in the table.
    func removeAltered(_ table: RowTable, _ number: Int64) throws(CacheError) {
        guard table == .overflow else {
            if try moveColliding(to: number) != .moved { try deleteEntry(number) }
            return
        }
        let delete = try connection.prepare("DELETE FROM overflow WHERE row = ?1")
        try delete.bind(number, at: 1)
        try delete.run()
    }

    private enum Colliding { case none, onlyAltered, moved }

    /// Replaces an entry by the first intact row that collides with it.
    private func moveColliding(to id: Int64) throws(CacheError) -> Colliding {
        try selectColliding.bind(id, at: 1)
        defer { selectColliding.reset() }
        var outcome = Colliding.none
        while try selectColliding.step() {
            guard let metadata = try? codec.metadata(selectColliding, table: .overflow),
                KeyHash.id(selectColliding.blob(0), bits: codec.hashBits) == id
            else {
                outcome = .onlyAltered
                continue
            }
            let moved = KeyHash(bytes: selectColliding.bytes(0), bits: codec.hashBits)
            let value = selectColliding.isNull(10) ? nil : selectColliding.bytes(10)
            let accessedAt = selectColliding.integer(8)
            selectColliding.reset()
            try deleteEntry(id)
            try deleteOverflow(moved)
            try put(metadata, value, moved, in: RowPlace(table: .entries), accessedAt: accessedAt)
            return .moved
        }
        return outcome
    }

    private func deleteEntry(_ id: Int64) throws(CacheError) {
        try deleteEntry.bind(id, at: 1)
        try deleteEntry.run()
        added -= connection.changes
    }

    private func deleteOverflow(_ hash: KeyHash) throws(CacheError) {
        try deleteOverflow.bind(hash.bytes, at: 1)
        try deleteOverflow.run()
        added -= connection.changes
    }

    /// Notes when a row was read.
    func touch(_ id: Int64, at time: Int64) throws(CacheError) {
        try touch.bind(id, at: 1)
        try touch.bind(time, at: 2)
        try touch.run()
    }
}
