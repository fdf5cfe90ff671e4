internal import CacheKit
internal import CacheKitCore

/// The feed for other processes' memory tiers: keys without values, past whatever does not authenticate.
extension RowFinder {
    /// Changes of both tables up to the clock's last one.
    ///
    /// What stands under a higher number was altered: following it would pass over every real change below.
    func changedKeys(
        after: ChangeSequence, through last: UInt64, limit: Int
    ) throws(CacheError) -> ChangedKeys {
        guard limit > 0, last > after.number else { return ChangedKeys(keys: [], through: after) }
        var rows: [(sequence: UInt64, key: CacheKey?)] = []
        var through = last
        for table in [entries, overflow] {
            let statement = try table.changedKeys(after: after, through: last, limit: limit)
            defer { statement.reset() }
            var sequence = after.number
            var count = 0
            while try statement.step() {
                let next = UInt64(bitPattern: statement.integer(3))
                // Whoever asks goes on after the last one, and must come to an end.
                guard next > sequence else { throw OpenedFile.disordered }
                sequence = next
                count += 1
                let metadata = try? codec.metadataBesideValue(statement, table: table.table)
                rows.append((sequence, metadata.flatMap { try? CacheKey(held: $0.key) }))
            }
            // Beyond the end of a table that has more, the other one would pass over that.
            if count == limit { through = min(through, sequence) }
        }
        rows.removeAll { $0.sequence > through }
        rows.sort { $0.sequence < $1.sequence }
        if rows.count > limit {
            rows.removeLast(rows.count - limit)
            through = rows[limit - 1].sequence
        }
        var page = ChangedKeys(keys: [], through: ChangeSequence(through))
        for (sequence, key) in rows {
            if let key {
                page.keys.append(ChangedKeys.Element(key: key, sequence: ChangeSequence(sequence)))
            } else {
                page.unreadable += 1
            }
        }
        return page
    }
}
