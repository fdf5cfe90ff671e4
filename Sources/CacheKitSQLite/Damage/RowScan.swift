internal import CacheKit
internal import CacheKitCore

/// A row that a scan met.
struct ScannedRow: Sendable {
    enum Content: Sendable {
        case intact(Change)
        /// It was read and does not authenticate.
        case altered
        /// An index knows it, and its page can't be read.
        case unreadable
    }

    var table: RowTable
    /// Its integer key in the table.
    var number: Int64
    /// Its change, as the column or an index says; of an intact row it is true.
    var sequence: UInt64
    /// Whether a column or an index says that it was written here.
    var isLocal: Bool
    var content: Content
}

/// Reads every row of a file in small steps, on past pages that can't be read.
///
/// A table is walked in the order of its rows. Where that fails, the next row that can be read is found by doubling the
/// distance and halving it again, at most 126 probes; the rows between, as far as the index of changes knows them, are then
/// read one by one. Linear in the file; the memory it needs grows with the rows that are lost.
struct RowScan: Sendable {
    private enum Position {
        case rows(RowTable, from: Int64)
        case missing(RowTable, sequence: Int64, row: Int64)
        case end
    }

    private static let rowsPerStep: Int64 = 64
    /// More places than this that can't be read, and the rest of the table counts as one.
    private static let maximumGaps = 10_000

    private var position = Position.rows(.entries, from: .min)
    /// Where the table that is being read has rows that can't be.
    private var gaps: [ClosedRange<Int64>] = []
    private var handled: Set<Int64> = []

    /// Places in tables and indexes that could not be read.
    private(set) var unreadablePlaces = 0

    /// The next rows, perhaps none; `nil` at the end.
    mutating func step(_ connection: SQLiteConnection, _ codec: RowCodec) throws(CacheError) -> [ScannedRow]? {
        // A failure that is not damage leaves everything as it was, to be tried again.
        var scan = self
        let rows: [ScannedRow]?
        switch position {
        case .rows(let table, let start): rows = try scan.rows(RowSource(connection, codec, table), from: start)
        case .missing(let table, let sequence, let row):
            rows = try scan.missing(RowSource(connection, codec, table), after: (sequence, row))
        case .end: rows = nil
        }
        self = scan
        return rows
    }

    private mutating func rows(_ source: RowSource, from start: Int64) throws(CacheError) -> [ScannedRow] {
        var rows: [ScannedRow] = []
        var next: Int64? = start
        do throws(CacheError) {
            try source.forEachRow(from: start, limit: Self.rowsPerStep) { row throws(CacheError) in
                guard let least = next, row.number >= least else { throw OpenedFile.disordered }
                rows.append(row)
                next = row.number == .max ? nil : row.number + 1
            }
            if rows.count < Self.rowsPerStep { next = nil }
        } catch  where error.code == .damagedStore {
            guard let from = next else { throw error }
            next = gaps.count < Self.maximumGaps ? try source.firstReadable(after: from, source.canReadRow) : nil
            gaps.append(from...(next.map { $0 - 1 } ?? .max))
            unreadablePlaces += 1
        }
        if let next {
            position = .rows(source.table, from: next)
        } else if gaps.isEmpty {
            position = Self.following(source.table)
        } else {
            position = .missing(source.table, sequence: .min, row: .min)
        }
        return rows
    }

    /// Goes on in the index of changes, and reads those rows that lie where the table could not be walked.
    private mutating func missing(
        _ source: RowSource, after: (sequence: Int64, row: Int64)
    ) throws(CacheError) -> [ScannedRow] {
        var found: [RowSource.IndexEntry] = []
        var last = after
        var isEnd = true
        do throws(CacheError) {
            var seen: Int64 = 0
            try source.forEachIndexEntry(after: after, limit: Self.rowsPerStep) { entry throws(CacheError) in
                guard (entry.sequence, entry.row) > last else { throw OpenedFile.disordered }
                last = (entry.sequence, entry.row)
                seen += 1
                if gaps.contains(where: { $0.contains(entry.row) }) { found.append(entry) }
            }
            isEnd = seen < Self.rowsPerStep
        } catch  where error.code == .damagedStore {
            unreadablePlaces += 1
            if let next = try source.firstReadable(after: max(last.sequence, 0), source.canReadIndex) {
                last = (next, .min)
                isEnd = false
            }
        }
        var rows: [ScannedRow] = []
        for entry in found where handled.insert(entry.row).inserted { rows.append(try source.row(of: entry)) }
        guard isEnd else {
            position = .missing(source.table, sequence: last.sequence, row: last.row)
            return rows
        }
        position = Self.following(source.table)
        gaps = []
        handled = []
        return rows
    }

    private static func following(_ table: RowTable) -> Position {
        table == .entries ? .rows(.overflow, from: .min) : .end
    }
}
