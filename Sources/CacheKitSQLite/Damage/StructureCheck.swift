internal import CacheKitCore

/// SQLite's own check of pages, cells and indexes (https://www.sqlite.org/pragma.html#pragma_integrity_check).
enum StructureCheck {
    /// What is wrong, at most so many lines; empty if nothing is. The lines name pages, tables and indexes, never content.
    static func findings(_ connection: SQLiteConnection, limit: Int) throws(CacheError) -> [String] {
        do throws(CacheError) {
            let statement = try connection.prepare("PRAGMA integrity_check(\(limit))")
            var lines: [String] = []
            while try statement.step(), lines.count < limit { lines.append(statement.text(0)) }
            return lines == ["ok"] ? [] : lines
        } catch  where error.code == .damagedStore {
            return ["the check itself met a page that can't be read"]
        }
    }
}
