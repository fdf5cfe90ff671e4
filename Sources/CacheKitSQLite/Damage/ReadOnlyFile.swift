internal import CacheKit
internal import CacheKitCore

/// A file opened for reading only, however damaged, as long as SQLite finds a table in it.
struct ReadOnlyFile {
    let connection: SQLiteConnection
    let meta: MetaTable
    let configuration: SQLiteConfiguration

    init(_ configuration: SQLiteConfiguration, _ connection: SQLiteConnection) throws(CacheError) {
        self.configuration = configuration
        self.connection = connection
        try connection.readPastDamage()
        meta = try MetaTable(connection)
    }

    /// A connection that writes nothing, not even where the log is damaged.
    static func connect(_ configuration: SQLiteConfiguration) throws(CacheError) -> SQLiteConnection {
        let path = configuration.path
        // Beside an empty file SQLite deletes the log, even through a connection that only reads.
        guard DatabaseFile.byteCount(path) > 0 else { return try SQLiteConnection(configuration, access: .unchanged) }
        let hasLog = DatabaseFile.byteCount(path + "-wal") > 0
        // Without a log the file alone is the whole truth; shared memory says that a process may be about to write one.
        guard hasLog || DatabaseFile.exists(path + "-shm") else {
            return try SQLiteConnection(configuration, access: .unchanged)
        }
        let connection = try SQLiteConnection(configuration, access: .readOnly)
        connection.keepLogOnClose()
        do throws(CacheError) {
            // The first read is what needs the shared memory.
            _ = try connection.integer("PRAGMA schema_version")
        } catch  where !hasLog && [.inputOutput, .readOnlyStore].contains(error.code) {
            return try SQLiteConnection(configuration, access: .unchanged)
        } catch  where error.code == .damagedStore {
            // Whoever reads on finds out where.
        }
        return connection
    }

    /// Unwraps the file's keys.
    func codec(_ keyring: Keyring) throws(CacheError) -> RowCodec {
        guard let databaseID = try meta.checked("database_id"), databaseID.count == 16 else {
            throw OpenedFile.incomplete
        }
        let keys = try KeyWraps(databaseID: databaseID).unwrap(keyring, connection)
        return RowCodec(keys: keys, hashBits: configuration.hashBits)
    }
}
