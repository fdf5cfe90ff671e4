internal import CacheKitCore

/// How many rows the tables have: counted once, which is linear, and followed from then on.
///
/// What other processes committed counts as that many new rows, which is at most right; before anybody is evicted for it,
/// it is counted anew.
struct RowCount {
    private var known: Int?
    private var isEstimate = false

    /// Takes note of a commit: rows that this process added, and changes that others made since its last one.
    mutating func note(added: Int, foreignChanges: UInt64) {
        guard let known else { return }
        self.known = max(0, known + added + Int(clamping: foreignChanges))
        if foreignChanges > 0 { isEstimate = true }
    }

    /// The rows, counted anew where an estimate would exceed the bound.
    mutating func value(bound: Int, added: Int, _ connection: SQLiteConnection) throws(CacheError) -> Int {
        if let known, !isEstimate || known + added <= bound { return known + added }
        var count = 0
        for table in RowTable.allCases { count += Int(try connection.integer("SELECT count(*) FROM \(table.name)")) }
        // Inside the transaction that added them.
        known = count - added
        isEstimate = false
        return count
    }
}
