internal import CacheKit
internal import CacheKitCore

/// Reads single rows and index entries of one table for a ``RowScan``.
struct RowSource {
    /// What the index of changes says of a row.
    struct IndexEntry {
        var sequence: Int64
        var origin: Int64
        var row: Int64
    }

    let connection: SQLiteConnection
    let codec: RowCodec
    let table: RowTable

    init(_ connection: SQLiteConnection, _ codec: RowCodec, _ table: RowTable) {
        self.connection = connection
        self.codec = codec
        self.table = table
    }

    private var number: String { table == .entries ? "id" : "row" }
    private var columns: String { "\(RowTable.columns), \(number), id" }

    func forEachRow(
        from start: Int64, limit: Int64, _ body: (ScannedRow) throws(CacheError) -> Void
    ) throws(CacheError) {
        let select = try connection.prepare(
            "SELECT \(columns) FROM \(table.name) WHERE \(number) >= ?1 ORDER BY \(number) LIMIT ?2")
        try select.bind(start, at: 1)
        try select.bind(limit, at: 2)
        while try select.step() { try body(scanned(select)) }
    }

    /// The row that an index entry points to.
    func row(of entry: IndexEntry) throws(CacheError) -> ScannedRow {
        let lost = ScannedRow(
            table: table, number: entry.row, sequence: UInt64(bitPattern: entry.sequence), isLocal: entry.origin == 0,
            content: .unreadable)
        do throws(CacheError) {
            let select = try connection.prepare("SELECT \(columns) FROM \(table.name) WHERE \(number) = ?1")
            try select.bind(entry.row, at: 1)
            return try select.step() ? scanned(select) : lost
        } catch  where error.code == .damagedStore {
            return lost
        }
    }

    private func scanned(_ select: PreparedStatement) -> ScannedRow {
        var row = ScannedRow(
            table: table, number: select.integer(11), sequence: UInt64(bitPattern: select.integer(3)),
            isLocal: select.integer(4) == 0, content: .altered)
        guard let (metadata, entry) = try? codec.entry(select, table: table, checksValue: true),
            let key = try? CacheKey(held: metadata.key),
            KeyHash.id(select.blob(0), bits: codec.hashBits) == select.integer(12)
        else { return row }
        row.content = .intact(Change(key: key, entry: entry))
        return row
    }

    func forEachIndexEntry(
        after: (sequence: Int64, row: Int64), limit: Int64, _ body: (IndexEntry) throws(CacheError) -> Void
    ) throws(CacheError) {
        let select = try connection.prepare(
            """
            SELECT change_seq, origin, \(number) FROM \(table.name) INDEXED BY \(table.name)_by_change
            WHERE change_seq >= ?1 ORDER BY change_seq LIMIT ?2
            """)
        let (behind, isEnd) = after.sequence.addingReportingOverflow(after.row == .min ? 0 : 1)
        if isEnd { return }
        try select.bind(behind, at: 1)
        try select.bind(limit, at: 2)
        while try select.step() {
            try body(IndexEntry(sequence: select.integer(0), origin: select.integer(1), row: select.integer(2)))
        }
    }

    // MARK: Finding the way on

    /// Whether the first row from a number on can be read, or there is none.
    func canReadRow(from start: Int64) throws(CacheError) -> Bool {
        try isReadable { () throws(CacheError) in
            try forEachRow(from: start, limit: 1) { row throws(CacheError) in
                guard row.number >= start else { throw OpenedFile.disordered }
            }
        }
    }

    func canReadIndex(from start: Int64) throws(CacheError) -> Bool {
        try isReadable { () throws(CacheError) in
            try forEachIndexEntry(after: (start, .min), limit: 1) { entry throws(CacheError) in
                guard entry.sequence >= start else { throw OpenedFile.disordered }
            }
        }
    }

    private func isReadable(_ body: () throws(CacheError) -> Void) throws(CacheError) -> Bool {
        do throws(CacheError) {
            try body()
            return true
        } catch  where error.code == .damagedStore {
            return false
        }
    }

    /// The least number above one that can't be read from which reading works again; `nil` if there seems to be none.
    func firstReadable(
        after start: Int64, _ canRead: (Int64) throws(CacheError) -> Bool
    ) throws(CacheError) -> Int64? {
        // Numbers of intact rows are not negative.
        var bad = max(start, -1)
        var good: Int64?
        for shift in 0..<63 where good == nil {
            let (candidate, isOverflow) = bad.addingReportingOverflow(1 << shift)
            if isOverflow { return nil }
            if try canRead(candidate) { good = candidate } else { bad = candidate }
        }
        guard var good else { return nil }
        while good - bad > 1 {
            let middle = bad + (good - bad) / 2
            if try canRead(middle) { good = middle } else { bad = middle }
        }
        return good
    }
}
