internal import CacheKit
internal import CacheKitCore

/// Forgets what has expired and, above the size bound, what was used longest ago; in small steps.
///
/// A row whose change has no durable outcome yet is passed over. Cursors make sure that many such rows at the front of an
/// index are not looked at again in every step.
struct Sweeper {
    /// Where in an index the next step goes on: the indexed time, and the row behind it.
    private struct Cursor {
        var time = Int64.min
        var row = Int64.min
    }

    private enum Index: String {
        case expiry = "expires_at"
        case access = "accessed_at"
    }

    private static let candidatesPerStep = 128
    private static let vacuumedPagesPerStep = 128
    /// Free pages that the file may keep for what is written next: 1 MiB.
    private static let keptFreePages: Int64 = 256

    private var expiry: [RowTable: Cursor] = [:]
    private var access: [RowTable: Cursor] = [:]

    /// Pages that hold something, in bytes.
    static func usedBytes(_ connection: SQLiteConnection) throws(CacheError) -> Int {
        let pages = try connection.integer("PRAGMA page_count") - connection.integer("PRAGMA freelist_count")
        return try Int(pages * connection.integer("PRAGMA page_size"))
    }

    /// One step; `true` if another would find work.
    mutating func step(_ writer: Writer, accesses: [Int64: Int64]) throws(CacheError) -> Bool {
        var sweeper = self
        let isUnfinished = try writer.connection.transaction { () throws(CacheError) in
            for (id, time) in accesses { try writer.rows.touch(id, at: time) }
            var isUnfinished = try sweeper.sweep(writer)
            let limit = writer.file.configuration.sizeLimit
            if !isUnfinished, try Self.usedBytes(writer.connection) > limit { isUnfinished = try sweeper.evict(writer) }
            return isUnfinished
        }
        self = sweeper
        let hasFreePages = try Self.vacuum(writer.connection)
        return hasFreePages || isUnfinished
    }

    // Overflow first: a row that moves into the place of a deleted one is then one that stays.
    private static let tables: [RowTable] = [.overflow, .entries]

    private mutating func sweep(_ writer: Writer) throws(CacheError) -> Bool {
        let now = writer.clock.now().milliseconds
        var isUnfinished = false
        for table in Self.tables {
            var cursor = expiry[table] ?? Cursor()
            if try pass(writer, table, .expiry, &cursor, until: now) { isUnfinished = true }
            expiry[table] = cursor
        }
        return isUnfinished
    }

    private mutating func evict(_ writer: Writer) throws(CacheError) -> Bool {
        var isUnfinished = false
        for table in Self.tables {
            var cursor = access[table] ?? Cursor()
            if try pass(writer, table, .access, &cursor, until: .max) { isUnfinished = true }
            access[table] = cursor
        }
        return isUnfinished
    }

    /// Looks at the next candidates of an index and deletes those that may go; `true` if there are more behind them.
    private func pass(
        _ writer: Writer, _ table: RowTable, _ index: Index, _ cursor: inout Cursor, until limit: Int64
    ) throws(CacheError) -> Bool {
        let protectsPending = try writer.hasRemote()
        let watermark = try writer.readWatermark()
        let rowName = table == .entries ? "id" : "row"
        let statement = try writer.connection.prepare(
            """
            SELECT \(RowTable.columns), \(index.rawValue), \(rowName) FROM \(table.name)
            WHERE (\(index.rawValue), \(rowName)) > (?1, ?2) AND \(index.rawValue) <= ?3
            ORDER BY \(index.rawValue), \(rowName) LIMIT ?4
            """)
        try statement.bind(cursor.time, at: 1)
        try statement.bind(cursor.row, at: 2)
        try statement.bind(limit, at: 3)
        try statement.bind(Int64(Self.candidatesPerStep), at: 4)
        var victims: [KeyHash] = []
        var seen = 0
        while try statement.step() {
            seen += 1
            cursor = Cursor(time: statement.integer(11), row: statement.integer(12))
            // What does not authenticate is evidence; it stays for `verify`.
            guard let metadata = try? writer.file.codec.metadata(statement, table: table) else { continue }
            let hash = KeyHash(bytes: statement.bytes(0), bits: writer.file.configuration.hashBits)
            if try writer.isReplaceable(metadata, hash.bytes, watermark, protectsPending: protectsPending) {
                victims.append(hash)
            }
        }
        statement.reset()
        for victim in victims { try writer.rows.delete(table, victim) }
        if seen < Self.candidatesPerStep { cursor = Cursor() }
        return seen == Self.candidatesPerStep
    }

    /// Gives free pages back to the file system; `true` if more are left than are kept.
    private static func vacuum(_ connection: SQLiteConnection) throws(CacheError) -> Bool {
        let free = try connection.integer("PRAGMA freelist_count")
        guard free > keptFreePages else { return false }
        // The pragma gives back one page per step (https://www.sqlite.org/pragma.html#pragma_incremental_vacuum).
        let statement = try connection.prepare("PRAGMA incremental_vacuum(\(vacuumedPagesPerStep))")
        try statement.run("giving back free pages")
        return free - Int64(vacuumedPagesPerStep) > keptFreePages
    }
}

extension Writer {
    /// Whether any process ever opened the file with a remote.
    func hasRemote() throws(CacheError) -> Bool {
        try meta.sealed("has_remote", file.keys) == [1]
    }
}
