internal import CSQLite
internal import CacheKitCore

/// SQLite's own copy of one database into another, a few pages at a time (https://www.sqlite.org/backup.html).
///
/// It begins again whenever another connection writes to the source, unless the source's connection stands in a read
/// transaction: then every step reads that snapshot.
final class PageCopy {
    private let source: SQLiteConnection
    private let target: SQLiteConnection
    private let handle: OpaquePointer

    init(from source: SQLiteConnection, to target: SQLiteConnection) throws(CacheError) {
        guard let handle = sqlite3_backup_init(target.database, "main", source.database, "main") else {
            throw CacheError(sqlite: sqlite3_extended_errcode(target.database), "beginning the copy")
        }
        self.source = source
        self.target = target
        self.handle = handle
    }

    deinit {
        // Undoes what an unfinished copy has written; after the last page there is nothing left to fail.
        sqlite3_backup_finish(handle)
    }

    /// Copies up to so many pages more; `false` when that was the last of them.
    func step(pages: Int32) throws(CacheError) -> Bool {
        let result = sqlite3_backup_step(handle, pages)
        switch result {
        case SQLITE_OK: return true
        case SQLITE_DONE: return false
        default: throw CacheError(sqlite: result, "copying the database")
        }
    }

    /// Pages of the source, and those of them that are still to come; known after the first step.
    var pageCount: Int { Int(sqlite3_backup_pagecount(handle)) }
    var remainingPages: Int { Int(sqlite3_backup_remaining(handle)) }
}
