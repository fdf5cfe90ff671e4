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
}
