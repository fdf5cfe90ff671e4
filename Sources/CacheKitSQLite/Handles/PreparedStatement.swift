internal import CSQLite
internal import CacheKitCore

/// A compiled statement; finalised when released.
final class PreparedStatement {
    private let statement: OpaquePointer

    /// Compiles SQL that is ours.
    init(_ database: OpaquePointer, _ sql: String) throws(CacheError) {
        var pointer: OpaquePointer?
        let result = sqlite3_prepare_v3(database, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard result == SQLITE_OK, let pointer else { throw Self.error(result, "preparing a statement") }
        statement = pointer
    }

    deinit {
        sqlite3_finalize(statement)
    }

    /// Steps to the next row; `false` when there is none.
    func step(_ action: StaticString = "reading the database") throws(CacheError) -> Bool {
        let result = sqlite3_step(statement)
        switch result {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        // What is there was not too large when it was written.
        case SQLITE_TOOBIG where sqlite3_stmt_readonly(statement) != 0: throw Self.error(SQLITE_CORRUPT, action)
        default: throw Self.error(result, action)
        }
    }

    /// The SQL is ours and fits the schema that was checked on opening: where it is an error, the schema is another by now.
    private static func error(_ result: Int32, _ action: StaticString) -> CacheError {
        CacheError(sqlite: result & 0xff == SQLITE_ERROR ? SQLITE_SCHEMA : result, action)
    }

    /// Runs a statement that gives no rows, and readies it for the next use.
    func run(_ action: StaticString = "writing to the database") throws(CacheError) {
        defer { reset() }
        while try step(action) {}
    }

    /// The same with bytes, or NULL for `nil`, in the place of a parameter; they are not copied.
    func run(
        _ bytes: [UInt8]?, at index: Int32, _ action: StaticString = "writing to the database"
    ) throws(CacheError) {
        guard let bytes, !bytes.isEmpty else {
            try bind(bytes, at: index)
            return try run(action)
        }
        try bytes.withUnsafeBufferPointer { bytes throws(CacheError) in
            // The binding is gone when this has run, and the bytes stay for as long.
            try check(ck_bind_blob_static(statement, index, bytes.baseAddress, UInt64(bytes.count)))
            try run(action)
        }
    }

    /// Readies the statement for the next use; ends its read transaction. Bound values go too, so that none is kept.
    func reset() {
        // The result repeats the last step's, which was thrown then.
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
    }

    /// Binds an integer.
    func bind(_ value: Int64, at index: Int32) throws(CacheError) {
        try check(sqlite3_bind_int64(statement, index, value))
    }

    /// Binds bytes, or NULL for `nil`; copied.
    func bind(_ bytes: [UInt8]?, at index: Int32) throws(CacheError) {
        guard let bytes else { return try bindNull(at: index) }
        try check(
            bytes.withUnsafeBytes { buffer in
                // An empty array may have no address, and SQLite would bind NULL for that.
                guard let base = buffer.baseAddress, buffer.count > 0 else {
                    return sqlite3_bind_zeroblob(statement, index, 0)
                }
                return ck_bind_blob_transient(statement, index, base, UInt64(buffer.count))
            })
    }

    /// Binds ASCII text of ours; copied.
    func bind(text: String, at index: Int32) throws(CacheError) {
        var text = text
        try check(
            text.withUTF8 { utf8 in
                utf8.withMemoryRebound(to: CChar.self) { characters in
                    ck_bind_text_transient(statement, index, characters.baseAddress, Int32(characters.count))
                }
            })
    }

    /// Binds NULL.
    func bindNull(at index: Int32) throws(CacheError) {
        try check(sqlite3_bind_null(statement, index))
    }

    private func check(_ result: Int32) throws(CacheError) {
        guard result == SQLITE_OK else { throw CacheError(sqlite: result, "binding a value") }
    }

    /// An integer column; 0 for NULL.
    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(statement, column) }

    /// Whether a column is NULL.
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    /// A text column.
    func text(_ column: Int32) -> String {
        sqlite3_column_text(statement, column).map { String(cString: $0) } ?? ""
    }

    /// A blob column, copied; empty for NULL.
    func bytes(_ column: Int32) -> [UInt8] { Array(blob(column)) }

    /// A blob column in SQLite's own memory: valid until the next step or reset of this statement.
    func blob(_ column: Int32) -> UnsafeRawBufferPointer {
        let base = sqlite3_column_blob(statement, column)
        return UnsafeRawBufferPointer(start: base, count: Int(sqlite3_column_bytes(statement, column)))
    }
}
