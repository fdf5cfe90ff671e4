internal import CSQLite
internal import CacheKitCore

extension SQLiteConnection {
    /// Cuts off what lies in the log behind the last commit; for use inside a transaction that may write.
    ///
    /// There a failed commit has left its frames. The lock of the transaction keeps other writers away, and nobody reads
    /// behind the last commit (https://www.sqlite.org/walformat.html#the_wal_file_format).
    func cutLogTail() throws(CacheError) {
        guard let index = ck_log_index(database) else { return }
        var pointer: UnsafeMutablePointer<sqlite3_file>?
        let found = sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &pointer)
        guard found == SQLITE_OK, let log = pointer, let methods = log.pointee.pMethods?.pointee else { return }
        // The count of frames and that of pages lie in one word.
        let frames = withUnsafeBytes(of: ck_log_mark_read(index).frames) { $0.loadUnaligned(as: UInt32.self) }
        let frameByteCount = try 24 + integer("PRAGMA page_size")
        let end = Int64(LogHeader.byteCount) + Int64(frames) * frameByteCount
        var size: Int64 = 0
        var result = methods.xFileSize(log, &size)
        if result == SQLITE_OK, size > end { result = methods.xTruncate(log, end) }
        guard result == SQLITE_OK else { throw CacheError(sqlite: result, "cutting the log") }
    }
}
