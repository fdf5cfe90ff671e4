internal import CSQLite
internal import CacheKitCore

/// Where the log stands, read from the index that all processes on a file share.
///
/// SQLite itself decides by the same words whether a snapshot is the newest one
/// (https://www.sqlite.org/walformat.html#the_wal_index_file_format). Looking costs nanoseconds and no system call.
///
/// A class, because its absence must be told from its presence by one word: of a structure, the compiler (Swift 6.3.1)
/// compares the words of the mark too, which are not set where there is none.
final class LogIndex {
    // In the memory of a connection, which outlives this.
    private let index: UnsafeRawPointer
    private var mark = ck_log_mark()

    init(_ index: UnsafeRawPointer) {
        self.index = index
    }

    /// Notes where the log stands now.
    func note() { mark = ck_log_mark_read(index) }

    /// Whether anyone has committed or checkpointed since the note. A commit that has returned anywhere is never missed.
    var hasMoved: Bool { ck_log_mark_equal(mark, ck_log_mark_read(index)) == 0 }
}

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
