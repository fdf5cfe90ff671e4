internal import CSQLite

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
