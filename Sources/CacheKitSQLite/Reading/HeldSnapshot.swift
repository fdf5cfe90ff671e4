internal import CacheKitCore

/// A reader's snapshot, kept from one read to the next while nobody commits.
///
/// Beginning and ending a read transaction takes system calls and as long as a point read itself (decision 0013). A kept
/// snapshot is used only while the log's index says that it is still the newest, so a read sees what it would see in a
/// transaction of its own. Each commit and each checkpoint, of any process, renews it.
final class HeldSnapshot {
    private let connection: SQLiteConnection
    private let begin: PreparedStatement
    private let end: PreparedStatement
    private let index: LogIndex?
    /// Whether a transaction is open; then the log can't begin anew.
    private(set) var isHeld = false
    /// Counts reads, so that whoever ends idle snapshots can tell which ones rest.
    private(set) var uses: UInt64 = 0

    /// The connection has read the schema.
    init(_ connection: SQLiteConnection) throws(CacheError) {
        self.connection = connection
        begin = try connection.prepare("BEGIN")
        end = try connection.prepare("COMMIT")
        index = connection.logIndex()
    }

    /// Runs a body in one snapshot, no older than this call.
    func read<Output>(_ body: () throws(CacheError) -> Output) throws(CacheError) -> Output {
        uses &+= 1
        do {
            try renew()
            let output = try body()
            // Without an index nothing tells when the snapshot grows old.
            if index == nil { try finish() }
            return output
        } catch {
            release()
            throw error
        }
    }

    private func renew() throws(CacheError) {
        if isHeld {
            guard let index, index.hasMoved else { return }
            try finish()
        }
        // First: the snapshot begins with the first row read, and what is committed in between must not look old.
        index?.note()
        try begin.run("beginning a read")
        isHeld = true
    }

    private func finish() throws(CacheError) {
        try end.run("ending a read")
        isHeld = false
    }

    /// Ends the snapshot, if one is kept.
    func release() {
        connection.rollBack()
        isHeld = false
    }
}
