internal import CacheKit
internal import CacheKitCore

/// Forgets what has expired and, above the size bound, what was used longest ago; in small steps.
///
/// A row whose change has no durable outcome yet is passed over. Cursors make sure that many such rows at the front of an
/// index are not looked at again in every step.
struct Sweeper {
    /// Where in the index of access times the next step goes on: the time, and the row behind it.
    private struct Cursor {
        var time = Int64.min
        var row = Int64.min
    }

    private static let candidatesPerStep = 128
    /// Entries of the change index that a step walks over: they are small and lie side by side.
    private static let walkedPerStep = 2048
    private static let vacuumedPagesPerStep = 128
    /// Free pages that the file may keep for what is written next: 1 MiB.
    private static let keptFreePages: Int64 = 256

    /// The change after which the next step looks for what has expired.
    private var walked: [RowTable: Int64] = [:]
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
            var cursor = walked[table] ?? -1
            if try sweep(writer, table, &cursor, now: now) { isUnfinished = true }
            walked[table] = cursor
        }
        return isUnfinished
    }

    private mutating func evict(_ writer: Writer) throws(CacheError) -> Bool {
        var isUnfinished = false
        for table in Self.tables {
            var cursor = access[table] ?? Cursor()
            if try evict(writer, table, &cursor) { isUnfinished = true }
            access[table] = cursor
        }
        return isUnfinished
    }

    /// Walks on in the order of changes and deletes what has expired and may go; `true` if there is more behind it.
    private func sweep(
        _ writer: Writer, _ table: RowTable, _ cursor: inout Int64, now: Int64
    ) throws(CacheError) -> Bool {
        // All of it stands in the index, so that a row that has not expired is not touched.
        let walk = try writer.connection.prepare(
            """
            SELECT change_seq, expires_at, \(Self.rowName(table)) FROM \(table.name)
            WHERE change_seq > ?1 ORDER BY change_seq LIMIT ?2
            """)
        try walk.bind(cursor, at: 1)
        try walk.bind(Int64(Self.walkedPerStep), at: 2)
        var expired: [Int64] = []
        var seen = 0
        while expired.count < Self.candidatesPerStep, try walk.step() {
            seen += 1
            guard walk.integer(0) >= cursor else { throw OpenedFile.disordered }
            cursor = walk.integer(0)
            if walk.integer(1) <= now { expired.append(walk.integer(2)) }
        }
        walk.reset()
        let select = try writer.connection.prepare(
            "SELECT \(RowTable.columns) FROM \(table.name) WHERE \(Self.rowName(table)) = ?1")
        let mayGo = try replaceability(writer)
        var victims: [KeyHash] = []
        for row in expired {
            try select.bind(row, at: 1)
            defer { select.reset() }
            if try select.step(), let victim = try mayGo(select, table) { victims.append(victim) }
        }
        for victim in victims { try writer.rows.delete(table, victim) }
        let isUnfinished = seen == Self.walkedPerStep || expired.count == Self.candidatesPerStep
        if !isUnfinished { cursor = -1 }
        return isUnfinished
    }

    /// Deletes what was used longest ago and may go; `true` if there is more behind it.
    private func evict(_ writer: Writer, _ table: RowTable, _ cursor: inout Cursor) throws(CacheError) -> Bool {
        let row = Self.rowName(table)
        let statement = try writer.connection.prepare(
            """
            SELECT \(RowTable.columns), \(row) FROM \(table.name) WHERE (accessed_at, \(row)) > (?1, ?2)
            ORDER BY accessed_at, \(row) LIMIT ?3
            """)
        try statement.bind(cursor.time, at: 1)
        try statement.bind(cursor.row, at: 2)
        try statement.bind(Int64(Self.candidatesPerStep), at: 3)
        let mayGo = try replaceability(writer)
        var victims: [KeyHash] = []
        var seen = 0
        while try statement.step() {
            seen += 1
            guard statement.integer(8) >= cursor.time else { throw OpenedFile.disordered }
            cursor = Cursor(time: statement.integer(8), row: statement.integer(11))
            if let victim = try mayGo(statement, table) { victims.append(victim) }
        }
        statement.reset()
        for victim in victims { try writer.rows.delete(table, victim) }
        if seen < Self.candidatesPerStep { cursor = Cursor() }
        return seen == Self.candidatesPerStep
    }

    private static func rowName(_ table: RowTable) -> String { table == .entries ? "id" : "row" }

    /// Says of the row that a statement stands on whether it may be lost; then gives its hash.
    private func replaceability(
        _ writer: Writer
    ) throws(CacheError) -> (PreparedStatement, RowTable) throws(CacheError) -> KeyHash? {
        let protectsPending = try writer.hasRemote()
        let watermark = try writer.readWatermark()
        return { row, table throws(CacheError) in
            // What does not authenticate is evidence; it stays for `verify`.
            guard let metadata = try? writer.file.codec.metadata(row, table: table) else { return nil }
            let hash = KeyHash(bytes: row.bytes(0), bits: writer.file.configuration.hashBits)
            let isReplaceable = try writer.isReplaceable(
                metadata, hash.bytes, watermark, protectsPending: protectsPending)
            return isReplaceable ? hash : nil
        }
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
        guard let record = try meta.sealed("has_remote", file.keys) else { throw OpenedFile.incomplete }
        return record == [1]
    }
}
