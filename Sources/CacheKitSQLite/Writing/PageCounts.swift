internal import CacheKitCore

/// How large the database is, as its own header says; inside a transaction, as it would be.
final class PageCounts {
    private let pages: PreparedStatement
    private let freePages: PreparedStatement
    private let pageSize: Int

    init(_ connection: SQLiteConnection) throws(CacheError) {
        pages = try connection.prepare("PRAGMA page_count")
        freePages = try connection.prepare("PRAGMA freelist_count")
        pageSize = Int(try connection.integer("PRAGMA page_size"))
    }

    /// Pages that hold nothing.
    func free() throws(CacheError) -> Int { try number(freePages) }

    /// Bytes of pages that hold something.
    func usedBytes() throws(CacheError) -> Int { (try number(pages) - number(freePages)) * pageSize }

    private func number(_ statement: PreparedStatement) throws(CacheError) -> Int {
        defer { statement.reset() }
        return try statement.step() ? Int(statement.integer(0)) : 0
    }
}
