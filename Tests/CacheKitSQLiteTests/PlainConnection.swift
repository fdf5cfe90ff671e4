import CSQLite
import Testing

/// A connection of plain SQLite, as another program might hold one; waits for nobody.
final class PlainConnection {
    private var database: OpaquePointer?

    init(_ path: String) throws {
        try #require(sqlite3_open(path, &database) == SQLITE_OK)
    }

    deinit { sqlite3_close(database) }

    func execute(_ sql: String) throws {
        try #require(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
    }

    /// Asks for a checkpoint: whether a reader or writer was in the way, and the frames in the log.
    func checkpoint(_ mode: String) throws -> (isBusy: Bool, frames: Int) {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        try #require(sqlite3_prepare_v2(database, "PRAGMA wal_checkpoint(\(mode))", -1, &statement, nil) == SQLITE_OK)
        try #require(sqlite3_step(statement) == SQLITE_ROW)
        return (sqlite3_column_int(statement, 0) != 0, Int(sqlite3_column_int(statement, 1)))
    }

    /// Moves the log through a VFS of a test's, as far as that lets it.
    static func checkpoint(_ path: String, vfs: String, mode: Int32) {
        var database: OpaquePointer?
        defer { sqlite3_close(database) }
        guard sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE, vfs) == SQLITE_OK else { return }
        // Without a read before it, a checkpoint does not open the log.
        sqlite3_exec(database, "PRAGMA schema_version", nil, nil, nil)
        sqlite3_wal_checkpoint_v2(database, nil, mode, nil, nil)
    }
}
