internal import CacheKit
internal import CacheKitCore

/// A connection that only reads, with its prepared statements.
///
/// `@unchecked Sendable` because each one is used with its lock held, and never leaves it.
final class Reader: @unchecked Sendable {
    let connection: SQLiteConnection
    let finder: RowFinder
    let meta: MetaTable
    let snapshot: HeldSnapshot
    private let file: OpenedFile

    init(_ file: OpenedFile) throws(CacheError) {
        self.file = file
        // Timeout 0: a reader waits for nobody but a recovery of the log, and that wait must not hold a thread.
        connection = try SQLiteConnection(file.configuration)
        finder = try RowFinder(connection, file.codec)
        meta = try MetaTable(connection)
        snapshot = try HeldSnapshot(connection)
        try connection.execute("PRAGMA query_only=ON")
        connection.setBusyTimeout(.zero)
    }

    deinit {
        snapshot.release()
    }

    /// Runs a body in one snapshot that is no older than this call.
    func read<Output>(_ body: (Reader) throws(CacheError) -> Output) throws(CacheError) -> Output {
        try snapshot.read { () throws(CacheError) in try body(self) }
    }

    func clock() throws(CacheError) -> FileClock { try meta.clock(file.keys) }

    func watermark() throws(CacheError) -> Watermark { try meta.watermark(file.keys) }

    /// What lies above the watermark; reads every such row's header.
    func backlog() throws(CacheError) -> Backlog {
        let watermark = try watermark().sequence
        var backlog = Backlog(changes: 0, bytes: 0, oldest: nil)
        for table in RowTable.allCases {
            let select = try connection.prepare(
                """
                SELECT count(*), total(length(value)), min(version) FROM \(table.name)
                WHERE change_seq > ?1 AND origin = 0
                """)
            try select.bind(Int64(watermark), at: 1)
            guard try select.step() else { continue }
            backlog.changes += Int(select.integer(0))
            backlog.bytes += Int(select.integer(1))
            if let oldest = Version(bytes: select.blob(2))?.time {
                backlog.oldest = min(backlog.oldest ?? oldest, oldest)
            }
        }
        return backlog
    }

    func rowCount(through sequence: ChangeSequence) throws(CacheError) -> Int {
        var count = 0
        for table in RowTable.allCases {
            let select = try connection.prepare("SELECT count(*) FROM \(table.name) WHERE change_seq <= ?1")
            try select.bind(Int64(clamping: sequence.number), at: 1)
            if try select.step() { count += Int(select.integer(0)) }
        }
        return count
    }

    /// Counts over the whole file.
    func statistics() throws(CacheError) -> LocalStoreStatistics {
        var statistics = LocalStoreStatistics(
            entries: 0, tombstones: 0, valueBytes: 0,
            fileBytes: DatabaseFile.byteCount(file.path) + DatabaseFile.byteCount(file.path + "-wal"),
            deadLetters: Int(try connection.integer("SELECT count(*) FROM dead_letters")),
            parked: Int(try connection.integer("SELECT count(*) FROM parked")),
            conflicts: Int(try connection.integer("SELECT count(*) FROM conflicts")), rowsByFingerprint: [:],
            lastSequence: ChangeSequence(try clock().lastSequence),
            watermark: ChangeSequence(try watermark().sequence), backlog: try backlog())
        statistics.superseded = try supersededCount()
        for table in RowTable.allCases {
            let select = try connection.prepare(
                """
                SELECT key_fingerprint, count(*), count(value), total(length(value)) FROM \(table.name)
                GROUP BY key_fingerprint
                """)
            while try select.step() {
                statistics.entries += Int(select.integer(2))
                statistics.tombstones += Int(select.integer(1) - select.integer(2))
                statistics.valueBytes += Int(select.integer(3))
                if let fingerprint = KeyFingerprint(bytes: select.blob(0)) {
                    statistics.rowsByFingerprint[fingerprint, default: 0] += Int(select.integer(1))
                }
            }
        }
        return statistics
    }
}
