internal import CSQLite
internal import CacheKitCore

/// One connection to a database file, used by one thread at a time; closed when released.
final class SQLiteConnection {
    /// For the wrappers beside this one, while the connection lives.
    let database: OpaquePointer
    /// Frames in the log after the last commit of this connection, where they are counted.
    private let frames: UnsafeMutablePointer<Int32>
    /// A place that does not move, for SQLite to hand back.
    private let waiting: UnsafeMutablePointer<BusyWait>
    /// Kept, because parsing costs a short transaction several microseconds; compiled for the first one.
    private var kept: [String: PreparedStatement] = [:]

    /// What a connection may do to the file and what lies beside it.
    enum Access {
        case readWrite
        /// Writes no row; may create shared memory beside a log that is there.
        case readOnly
        /// Touches nothing and locks nothing: right only where no log is (https://www.sqlite.org/uri.html#uriimmutable).
        case unchanged
    }

    /// Opens the configured file, which exists; never creates one.
    init(_ configuration: SQLiteConfiguration, access: Access = .readWrite) throws(CacheError) {
        var pointer: OpaquePointer?
        // NOMUTEX: every connection stands behind a lock or a thread of its own, so SQLite need not lock too.
        var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        flags |= access == .readWrite ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY
        if access == .unchanged { flags |= SQLITE_OPEN_URI }
        let name = access == .unchanged ? Self.immutableURI(configuration.path) : configuration.path
        let result = sqlite3_open_v2(name, &pointer, flags, configuration.vfs)
        guard result == SQLITE_OK, let pointer else {
            sqlite3_close_v2(pointer)
            throw CacheError(sqlite: result, "opening the database")
        }
        database = pointer
        frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
        frames.initialize(to: 0)
        waiting = UnsafeMutablePointer<BusyWait>.allocate(capacity: 1)
        waiting.initialize(to: BusyWait(timeout: .zero))
        setBusyTimeout(configuration.busyTimeout)
        // The file may come from anyone: nothing in its schema may call functions, and no SQL may break the file itself
        // (https://www.sqlite.org/security.html).
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_DEFENSIVE, 1)
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0)
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_DQS_DML, 0)
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_DQS_DDL, 0)
        try execute("PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON; PRAGMA cell_size_check=ON")
    }

    deinit {
        // v2: statements that are still alive keep the connection as a zombie until they go.
        sqlite3_wal_hook(database, nil, nil)
        sqlite3_busy_handler(database, nil, nil)
        sqlite3_close_v2(database)
        frames.deallocate()
        waiting.deallocate()
    }

    /// The path as a URI; every byte that could mean something in one is escaped.
    private static func immutableURI(_ path: String) -> String {
        let isPlain: (UInt8) -> Bool = { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || [0x2D, 0x2E, 0x2F, 0x5F].contains(byte)
        }
        let escaped = path.utf8.map { byte in
            if isPlain(byte) { return String(UnicodeScalar(byte)) }
            return (byte < 16 ? "%0" : "%") + String(byte, radix: 16)
        }
        return "file:\(escaped.joined())?immutable=1"
    }
    /// Reads what is left of a file that was cut short or whose schema is damaged, instead of refusing it whole. Only for
    /// connections that write nothing: SQLite takes it as leave to break the file.
    func readPastDamage() throws(CacheError) {
        _ = ck_db_config_flag(database, SQLITE_DBCONFIG_DEFENSIVE, 0)
        try execute("PRAGMA writable_schema=ON; PRAGMA query_only=ON")
    }

    /// Leaves the log as it is when this connection closes as the last one.
    func keepLogOnClose() { _ = ck_db_config_flag(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1) }

    /// Whether another file, or none, stands where the connection's file was opened.
    var hasMoved: Bool {
        var answer: Int32 = 0
        return sqlite3_file_control(database, "main", SQLITE_FCNTL_HAS_MOVED, &answer) == SQLITE_OK && answer != 0
    }

    /// The file as the VFS has it open.
    private func openFile() throws(CacheError) -> (UnsafeMutablePointer<sqlite3_file>, sqlite3_io_methods) {
        var pointer: UnsafeMutablePointer<sqlite3_file>?
        let result = sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &pointer)
        guard result == SQLITE_OK, let pointer, let methods = pointer.pointee.pMethods else {
            throw CacheError(sqlite: result == SQLITE_OK ? SQLITE_IOERR : result, "reading the database file")
        }
        return (pointer, methods.pointee)
    }

    /// Locks out every other connection to the file, of any process, until this one closes; `false` if there is one.
    ///
    /// For a file that SQLite itself may refuse to read, so without asking it. Every connection holds a shared lock once it has read
    /// (https://www.sqlite.org/walformat.html#file_locks). This one must not have, and must not read afterwards.
    func lockOutOthers() throws(CacheError) -> Bool {
        let (file, methods) = try openFile()
        guard let lock = methods.xLock else { return false }
        for kind in [SQLITE_LOCK_SHARED, SQLITE_LOCK_EXCLUSIVE] {
            let result = lock(file, kind)
            if result & 0xff == SQLITE_BUSY { return false }
            guard result == SQLITE_OK else { throw CacheError(sqlite: result, "locking the database file") }
        }
        return true
    }

    /// So many first bytes of the file as they lie there, of at least that length; takes no lock.
    func rawBytes(count: Int) throws(CacheError) -> [UInt8] {
        let (file, methods) = try openFile()
        guard let read = methods.xRead else { throw CacheError(sqlite: SQLITE_IOERR, "reading the database file") }
        var bytes = [UInt8](repeating: 0, count: count)
        let result = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, Int32($0.count), 0) }
        guard result == SQLITE_OK else { throw CacheError(sqlite: result, "reading the database file") }
        return bytes
    }

    /// From now on notes how long the log is after each commit (https://www.sqlite.org/c3ref/wal_hook.html).
    func countLogFrames() {
        sqlite3_wal_hook(
            database,
            { frames, _, _, count in
                frames?.assumingMemoryBound(to: Int32.self).pointee = count
                return SQLITE_OK
            }, frames)
    }

    /// Where the log stands, for as long as this connection lives; `nil` where SQLite shares no index of it.
    ///
    /// The schema must have been read before.
    func logIndex() -> LogIndex? { ck_log_index(database).map { LogIndex($0) } }

    /// Frames in the log after the last commit.
    var logFrames: Int { Int(frames.pointee) }

    /// Says that the log was moved into the database whole: the next commit starts it anew.
    func resetLogFrames() { frames.pointee = 0 }

    /// Whether SQLite fell back to reading only.
    var isReadOnly: Bool { sqlite3_db_readonly(database, "main") == 1 }

    /// Whether no transaction is open.
    var isAutocommit: Bool { sqlite3_get_autocommit(database) != 0 }

    /// Rows that the last statement inserted, updated or deleted.
    var changes: Int { Int(sqlite3_changes64(database)) }

    /// How long SQLite itself waits for a lock; 0 for not at all.
    func setBusyTimeout(_ timeout: Duration) {
        waiting.pointee = BusyWait(timeout: timeout)
        guard timeout > .zero else {
            sqlite3_busy_handler(database, nil, nil)
            return
        }
        sqlite3_busy_handler(
            database,
            { waiting, count in
                guard let waiting = waiting?.assumingMemoryBound(to: BusyWait.self) else { return 0 }
                return waiting.pointee.wait(isFirst: count == 0) ? 1 : 0
            }, waiting)
    }

    /// Runs statements that give no rows; the text is ours, never a caller's.
    func execute(_ sql: String, _ action: StaticString = "reading the database") throws(CacheError) {
        let result = sqlite3_exec(database, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw CacheError(sqlite: result, action) }
    }

    /// Compiles a statement that is kept.
    func prepare(_ sql: String) throws(CacheError) -> PreparedStatement {
        try PreparedStatement(database, sql)
    }

    /// The integer that a statement gives; 0 if it gives no row.
    func integer(_ sql: String) throws(CacheError) -> Int64 {
        let statement = try prepare(sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// The text that a statement gives; for pragmas.
    func text(_ sql: String) throws(CacheError) -> String {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : ""
    }

    /// When a transaction takes its locks (https://www.sqlite.org/lang_transaction.html).
    enum TransactionKind: String {
        /// With its first statement, and only those which that needs.
        case deferred = "DEFERRED"
        /// The one for writing, at once.
        case immediate = "IMMEDIATE"
    }

    /// Runs a body between `BEGIN` and `COMMIT`; rolls back when either fails.
    func transaction<Output>(
        _ kind: TransactionKind = .immediate, _ body: () throws(CacheError) -> Output
    ) throws(CacheError) -> Output {
        try kept("BEGIN \(kind.rawValue)").run("beginning a transaction")
        do {
            let output = try body()
            try kept("COMMIT").run("committing")
            return output
        } catch {
            rollBack()
            throw error
        }
    }

    private func kept(_ sql: String) throws(CacheError) -> PreparedStatement {
        if let statement = kept[sql] { return statement }
        let statement = try prepare(sql)
        kept[sql] = statement
        return statement
    }

    /// Gives up the open transaction, if there is one.
    func rollBack() {
        // A full disk or an I/O error may have rolled back already; then there is nothing to do
        // (https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction).
        if !isAutocommit { _ = sqlite3_exec(database, "ROLLBACK", nil, nil, nil) }
    }

    /// How a checkpoint ended: frames in the log, and those of them that are in the database.
    struct CheckpointOutcome {
        var logFrames: Int
        var checkpointedFrames: Int
    }

    /// What a checkpoint does besides moving the log into the database (https://www.sqlite.org/c3ref/wal_checkpoint_v2.html).
    enum Checkpoint: Int32 {
        /// Nothing: it moves what no reader stands in the way of, and waits for nobody.
        case passive = 0
        /// Waits, as long as this connection waits for locks, until the next writer can begin the log anew.
        case restarting = 2
        /// The same, and empties the log.
        case truncating = 3
    }

    /// Moves the log into the database.
    ///
    /// - Throws: ``CacheError/Code/storeBusy`` when somebody stood in the way of more than a passive one; the rest is moved.
    func checkpoint(_ kind: Checkpoint) throws(CacheError) -> CheckpointOutcome {
        var frames: Int32 = 0
        var checkpointed: Int32 = 0
        let result = sqlite3_wal_checkpoint_v2(database, nil, kind.rawValue, &frames, &checkpointed)
        guard result == SQLITE_OK else { throw CacheError(sqlite: result, "checkpointing") }
        return CheckpointOutcome(logFrames: Int(frames), checkpointedFrames: Int(checkpointed))
    }
}
