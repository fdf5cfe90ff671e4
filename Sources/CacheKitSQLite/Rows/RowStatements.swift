internal import CacheKit
internal import CacheKitCore

/// The statements that find rows of one table on one connection.
final class RowStatements {
    let table: RowTable
    private let select: PreparedStatement
    private let feed: PreparedStatement
    private let feedOfOrigin: PreparedStatement
    private let connection: SQLiteConnection
    /// Prepared for their first use: most connections never ask.
    private var feedOfKeys: PreparedStatement?
    private var feedOfSettled: PreparedStatement?

    init(_ table: RowTable, _ connection: SQLiteConnection) throws(CacheError) {
        self.table = table
        self.connection = connection
        // An entry is found by its id; a colliding one by the whole hash.
        let condition = table == .entries ? "id = ?1" : "key_hash = ?1"
        select = try connection.prepare("SELECT \(RowTable.columns) FROM \(table.name) WHERE \(condition)")
        feed = try connection.prepare(
            "SELECT \(RowTable.columns) FROM \(table.name) WHERE change_seq > ?1 ORDER BY change_seq LIMIT ?2")
        feedOfOrigin = try connection.prepare(
            """
            SELECT \(RowTable.columns) FROM \(table.name) WHERE change_seq > ?1 AND origin = ?3
            ORDER BY change_seq LIMIT ?2
            """)
    }

    /// Steps to a key's row; the caller resets the statement.
    func find(_ hash: KeyHash) throws(CacheError) -> PreparedStatement? {
        if table == .entries { try select.bind(hash.id, at: 1) } else { try select.bind(hash.bytes, at: 1) }
        do {
            if try select.step() { return select }
        } catch {
            select.reset()
            throw error
        }
        select.reset()
        return nil
    }

    /// A statement over the feed, up to a change at least; the caller steps and resets it.
    func changes(
        after sequence: ChangeSequence, through last: UInt64, _ selection: FeedSelection, limit: Int
    ) throws(CacheError) -> PreparedStatement {
        let statement: PreparedStatement
        switch selection {
        case .origin(nil): statement = feed
        case .origin(let origin?):
            statement = feedOfOrigin
            try statement.bind(Int64(origin.rawValue), at: 3)
        case .settled:
            statement = try settled()
            try statement.bind(Int64(clamping: last), at: 3)
        }
        try statement.bind(Int64(clamping: sequence.number), at: 1)
        try statement.bind(Int64(limit), at: 2)
        return statement
    }

    private func settled() throws(CacheError) -> PreparedStatement {
        if let feedOfSettled { return feedOfSettled }
        // Those that were set aside are left out here: whoever asks takes a page with none for the end.
        let statement = try connection.prepare(
            """
            SELECT \(RowTable.columns) FROM \(table.name) r
            WHERE change_seq > ?1 AND change_seq <= ?3 AND origin = 0 AND NOT (\(SettlementStatements.isSetAside))
            ORDER BY change_seq LIMIT ?2
            """)
        feedOfSettled = statement
        return statement
    }

    /// A statement over the feed up to a change, without values; the caller steps and resets it.
    func changedKeys(
        after sequence: ChangeSequence, through last: UInt64, limit: Int
    ) throws(CacheError) -> PreparedStatement {
        let statement: PreparedStatement
        if let feedOfKeys {
            statement = feedOfKeys
        } else {
            statement = try connection.prepare(
                """
                SELECT \(RowTable.columnsBesideValue) FROM \(table.name) WHERE change_seq > ?1 AND change_seq <= ?3
                ORDER BY change_seq LIMIT ?2
                """)
            feedOfKeys = statement
        }
        try statement.bind(Int64(clamping: sequence.number), at: 1)
        try statement.bind(Int64(limit), at: 2)
        try statement.bind(Int64(clamping: last), at: 3)
        return statement
    }
}

/// Finds keys through both tables.
final class RowFinder {
    let codec: RowCodec
    let entries: RowStatements
    let overflow: RowStatements

    init(_ connection: SQLiteConnection, _ codec: RowCodec) throws(CacheError) {
        self.codec = codec
        entries = try RowStatements(.entries, connection)
        overflow = try RowStatements(.overflow, connection)
    }

    /// Calls the body on a key's row, or with `nil` in the table where it would be put.
    ///
    /// `overflow` holds a key only while another key holds its id in `entries`, so a miss there is final and the second
    /// table is asked after a real collision only. The colliding row is authenticated first: an altered hash must not
    /// pass for a collision.
    func withRow<Output>(
        _ hash: KeyHash, _ body: (RowTable, PreparedStatement?) throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        guard let row = try entries.find(hash) else { return try body(.entries, nil) }
        defer { row.reset() }
        let found = row.blob(0)
        if found.isEqual(to: hash.bytes) { return try body(.entries, row) }
        guard KeyHash.id(found, bits: codec.hashBits) == hash.id else { throw RowCodec.tampered }
        _ = try codec.metadata(row, table: .entries)
        guard let other = try overflow.find(hash) else { return try body(.overflow, nil) }
        defer { other.reset() }
        return try body(.overflow, other)
    }

    /// What is held for a key, and when it was last noted as read.
    func read(
        _ key: CacheKey, _ hash: KeyHash
    ) throws(CacheError) -> (entry: StoredEntry, id: Int64?, accessedAt: Int64)? {
        try withRow(hash) { table, row throws(CacheError) in
            guard let row else { return nil }
            // The hash stands for the name; should two names ever share one, the name decides.
            let (_, entry) = try codec.entry(row, table: table, expecting: key)
            return (entry, table == .entries ? hash.id : nil, row.integer(8))
        }
    }

    /// Changes of both tables in order of their sequence, up to a last one or the first row that does not authenticate.
    ///
    /// Such a row is never passed over: those before it in its table are given out, and once it is the first, this throws.
    func changes(
        after: ChangeSequence, through end: UInt64, _ selection: FeedSelection, limit: Int, byteLimit: Int
    ) throws(CacheError) -> [Change] {
        guard limit > 0 else { return [] }
        let (placed, isPlacedIntact) = try changes(entries, after, end, selection, limit, byteLimit)
        var (colliding, isCollidingIntact) = try changes(overflow, after, end, selection, limit, byteLimit)
        guard !colliding.isEmpty else { return placed }
        var changes = placed
        // Beyond the end of a list that stopped at a row, the other one would pass over that row.
        if !isPlacedIntact, let last = placed.last { colliding.removeAll { $0.entry.sequence > last.entry.sequence } }
        if !isCollidingIntact, let last = colliding.last {
            changes.removeAll { $0.entry.sequence > last.entry.sequence }
        }
        // Each list is complete up to its own end only, and either may have been cut short by its bytes.
        changes = (changes + colliding).sorted { $0.entry.sequence < $1.entry.sequence }
        var bytes = 0
        var count = 0
        while count < min(limit, changes.count), count == 0 || bytes < byteLimit {
            bytes += changes[count].entry.value?.count ?? 0
            count += 1
        }
        return Array(changes.prefix(count))
    }

    private func changes(
        _ rows: RowStatements, _ after: ChangeSequence, _ end: UInt64, _ selection: FeedSelection, _ limit: Int,
        _ byteLimit: Int
    ) throws(CacheError) -> (changes: [Change], isIntact: Bool) {
        let statement = try rows.changes(after: after, through: end, selection, limit: limit)
        defer { statement.reset() }
        var changes: [Change] = []
        var bytes = 0
        while bytes < byteLimit || changes.isEmpty, try statement.step() {
            // Whoever asks goes on after the last one, and must come to an end.
            guard UInt64(bitPattern: statement.integer(3)) > changes.last?.entry.sequence.number ?? after.number else {
                guard changes.isEmpty else { return (changes, false) }
                throw OpenedFile.disordered
            }
            guard let (metadata, entry) = try? codec.entry(statement, table: rows.table, checksValue: true),
                let key = try? CacheKey(held: metadata.key)
            else {
                guard changes.isEmpty else { return (changes, false) }
                throw RowCodec.tampered
            }
            if metadata.sequence > end { return (changes, true) }
            bytes += entry.value?.count ?? 0
            changes.append(Change(key: key, entry: entry))
        }
        return (changes, true)
    }
}
