internal import CacheKit
internal import CacheKitCore

/// Deletes what has expired and may go.
///
/// It walks the index of changes, in which expiries stand too, from the oldest change to the newest, in short steps and
/// outside any transaction that would keep writers away. A whole walk learns when the next row expires, so that nobody
/// walks before that.
struct Sweeper {
    /// Entries of the change index read at once: they are small and lie side by side.
    private static let entriesPerLook = 512
    private static let candidatesPerStep = 128
    /// A row of another process, or a clock that was put back, is noticed after this many milliseconds at the latest.
    private static let longestRest: Int64 = 60_000

    private struct Walk {
        var part = 0
        /// The change after which it goes on.
        var sequence: Int64 = -1
        var earliestExpiry = Int64.max
        /// An expired row had to stay because the remote has not acknowledged it.
        var hasPassedPending = false
    }

    private struct Expired {
        var row: Int64
        var sequence: Int64
    }

    private struct Rest {
        var since: Int64
        var until: Int64
        /// Where pending rows were passed over, they may go when this has moved.
        var watermark: UInt64?
    }

    private var walk = Walk()
    private var rest: Rest?

    /// Notes that a row was written that expires then.
    mutating func note(expiry: Int64) {
        if let rest, expiry < rest.until { self.rest?.until = expiry }
        walk.earliestExpiry = min(walk.earliestExpiry, expiry)
    }

    /// One short step; `true` if another would find work.
    mutating func step(_ writer: Writer, _ budget: StepBudget) throws(CacheError) -> Bool {
        let now = writer.clock.now().milliseconds
        guard try !rests(writer, now) else { return false }
        while true {
            let table = RowTable.walkingOrder[walk.part]
            let (expired, isAtEnd) = try look(writer, table, now)
            if !expired.isEmpty, let next = try delete(expired, table, writer, budget) {
                // What there was no time for is met again.
                walk.sequence = next - 1
                return true
            }
            if isAtEnd, try endPart(writer, now) { return false }
            if budget.isSpent || !expired.isEmpty { return true }
        }
    }

    private mutating func rests(_ writer: Writer, _ now: Int64) throws(CacheError) -> Bool {
        guard let rest else { return false }
        var hasMoved = false
        if let watermark = rest.watermark { hasMoved = try writer.readWatermark().sequence != watermark }
        guard now < rest.until, now >= rest.since, now - rest.since < Self.longestRest, !hasMoved else {
            self.rest = nil
            return false
        }
        return true
    }

    /// Goes to the next table; `true` at the end of the last one.
    private mutating func endPart(_ writer: Writer, _ now: Int64) throws(CacheError) -> Bool {
        walk.sequence = -1
        walk.part += 1
        guard walk.part == RowTable.walkingOrder.count else { return false }
        rest = Rest(
            since: now, until: walk.earliestExpiry,
            watermark: walk.hasPassedPending ? try writer.readWatermark().sequence : nil)
        walk = Walk()
        return true
    }

    /// Walks on in the order of changes and gives the rows that have expired; all that is needed stands in the index.
    private mutating func look(
        _ writer: Writer, _ table: RowTable, _ now: Int64
    ) throws(CacheError) -> (expired: [Expired], isAtEnd: Bool) {
        let replaceability = try Replaceability(writer)
        let statement = try writer.expiries(table)
        defer { statement.reset() }
        try statement.bind(walk.sequence, at: 1)
        try statement.bind(Int64(Self.entriesPerLook), at: 2)
        var expired: [Expired] = []
        var seen = 0
        while expired.count < Self.candidatesPerStep, try statement.step() {
            seen += 1
            guard statement.integer(0) >= walk.sequence else { throw OpenedFile.disordered }
            walk.sequence = statement.integer(0)
            if statement.integer(2) > now {
                walk.earliestExpiry = min(walk.earliestExpiry, statement.integer(2))
            } else if replaceability.isPending(sequence: statement.integer(0), origin: statement.integer(1)) {
                walk.hasPassedPending = true
            } else {
                expired.append(Expired(row: statement.integer(3), sequence: statement.integer(0)))
            }
        }
        return (expired, seen < Self.entriesPerLook && expired.count < Self.candidatesPerStep)
    }

    /// Looks at each row again inside the transaction: another process may have written it meanwhile.
    ///
    /// - Returns: The change of the first row that there was no time for.
    private func delete(
        _ expired: [Expired], _ table: RowTable, _ writer: Writer, _ budget: StepBudget
    ) throws(CacheError) -> Int64? {
        let now = writer.clock.now().milliseconds
        return try writer.transaction(changeCount: 0) { () throws(CacheError) in
            let replaceability = try Replaceability(writer)
            let select = try writer.connection.prepare(
                "SELECT \(RowTable.columns) FROM \(table.name) WHERE \(table.rowName) = ?1")
            for (index, candidate) in expired.enumerated() {
                if index > 0, budget.isSpent { return candidate.sequence }
                try select.bind(candidate.row, at: 1)
                var victim: KeyHash?
                if try select.step(), select.integer(6) <= now {
                    victim = try replaceability.victim(select, table)?.hash
                }
                select.reset()
                guard let victim else { continue }
                try writer.rows.delete(table, victim)
                writer.file.removals.expire()
            }
            return nil
        }
    }

    /// The statement that walks a table.
    static func prepare(_ connection: SQLiteConnection, _ table: RowTable) throws(CacheError) -> PreparedStatement {
        try connection.prepare(
            """
            SELECT change_seq, origin, expires_at, \(table.rowName) FROM \(table.name)
            WHERE change_seq > ?1 ORDER BY change_seq LIMIT ?2
            """)
    }
}
