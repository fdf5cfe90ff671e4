internal import CacheKit
internal import CacheKitCore

/// Deletes what was used longest ago and may go.
///
/// A cursor walks the index of access times once from the oldest to the newest, so that rows which must stay are not
/// looked at again for every write. After a whole walk that found nothing, nobody walks until something can have changed.
struct Evictor {
    /// Where in a table's index of access times the walk goes on: the time, and the row behind it.
    private struct Cursor {
        var time = Int64.min
        var row = Int64.min
    }

    private static let candidatesPerLook = 16

    private var part = 0
    private var cursor = Cursor()
    private var hasDeleted = false
    /// Whether a whole walk found nothing that may go.
    private(set) var isExhausted = false
    /// Bytes of the values that the last call deleted.
    private(set) var freedBytes = 0

    /// Says that rows may have become replaceable.
    mutating func reconsider() { isExhausted = false }

    /// Deletes until there is enough room, nothing is left that may go, or the step is long enough; in a transaction.
    ///
    /// - Returns: whether there is enough room.
    mutating func evict(
        _ writer: Writer, _ budget: StepBudget, until isEnough: () throws(CacheError) -> Bool
    ) throws(CacheError) -> Bool {
        freedBytes = 0
        if try isEnough() { return true }
        let replaceability = try Replaceability(writer)
        while !isExhausted {
            if try look(writer, replaceability, budget, isEnough) { return true }
            if budget.isSpent { return false }
        }
        return false
    }

    /// Looks at a few rows; `true` once there is enough room.
    private mutating func look(
        _ writer: Writer, _ replaceability: Replaceability, _ budget: StepBudget,
        _ isEnough: () throws(CacheError) -> Bool
    ) throws(CacheError) -> Bool {
        let table = RowTable.walkingOrder[part]
        let candidates = try candidates(writer, replaceability, table)
        for (place, victim) in candidates {
            cursor = place
            guard let victim else { continue }
            try writer.rows.delete(table, victim.hash)
            writer.file.removals.evict()
            hasDeleted = true
            freedBytes += victim.bytes
            if try isEnough() { return true }
            if budget.isSpent { return false }
        }
        if candidates.count < Self.candidatesPerLook { endPart() }
        return false
    }

    private mutating func endPart() {
        cursor = Cursor()
        part += 1
        guard part == RowTable.walkingOrder.count else { return }
        part = 0
        isExhausted = !hasDeleted
        hasDeleted = false
    }

    private func candidates(
        _ writer: Writer, _ replaceability: Replaceability, _ table: RowTable
    ) throws(CacheError) -> [(Cursor, (hash: KeyHash, bytes: Int)?)] {
        let statement = try writer.evictions(table)
        defer { statement.reset() }
        try statement.bind(cursor.time, at: 1)
        try statement.bind(cursor.row, at: 2)
        try statement.bind(Int64(Self.candidatesPerLook), at: 3)
        var candidates: [(Cursor, (hash: KeyHash, bytes: Int)?)] = []
        while try statement.step() {
            guard statement.integer(8) >= cursor.time else { throw OpenedFile.disordered }
            let place = Cursor(time: statement.integer(8), row: statement.integer(11))
            candidates.append((place, try replaceability.victim(statement, table, isForSpace: true)))
        }
        return candidates
    }

    /// The statement that walks a table.
    static func prepare(_ connection: SQLiteConnection, _ table: RowTable) throws(CacheError) -> PreparedStatement {
        try connection.prepare(
            """
            SELECT \(RowTable.columns), \(table.rowName) FROM \(table.name)
            WHERE (accessed_at, \(table.rowName)) > (?1, ?2) ORDER BY accessed_at, \(table.rowName) LIMIT ?3
            """)
    }
}
