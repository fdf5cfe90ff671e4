internal import CacheKitCore
internal import Migrations
internal import Synchronization

/// Compares a file's tables and indexes with those that its migrations make.
///
/// An altered definition can make the feed pass over rows, so it must not pass for the real one. What someone added (a
/// statistics table, say) is ignored: triggers and views are off on every connection.
enum SchemaCheck {
    // Applying the migrations in memory takes a millisecond, so it is done once for each list of them.
    private static let known = Mutex<[[UInt8]: Set<String>]>([:])

    /// - Throws: `damagedStore` if a definition is missing or another one.
    static func run(_ connection: SQLiteConnection, _ migrations: [Migration]) throws(CacheError) {
        guard try isIntact(connection, migrations) else {
            throw CacheError(
                .damagedStore, "the file's tables are not those of its format; keep a copy and run 'cachekit doctor'")
        }
    }

    static func isIntact(_ connection: SQLiteConnection, _ migrations: [Migration]) throws(CacheError) -> Bool {
        try expected(migrations).isSubset(of: definitions(connection))
    }

    private static func expected(_ migrations: [Migration]) throws(CacheError) -> Set<String> {
        let sql = migrations.flatMap(\.sql)
        if let known = known.withLock({ $0[sql] }) { return known }
        let connection = try SQLiteConnection(SQLiteConfiguration(path: ":memory:"))
        for migration in migrations {
            try connection.execute(String(decoding: migration.sql, as: UTF8.self), "applying the migrations")
        }
        let definitions = try definitions(connection)
        known.withLock { $0[sql] = definitions }
        return definitions
    }

    private static func definitions(_ connection: SQLiteConnection) throws(CacheError) -> Set<String> {
        let select = try connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema LIMIT 1000")
        var definitions: Set<String> = []
        while try select.step() {
            definitions.insert((0..<4).map { select.text($0) }.joined(separator: "\0"))
        }
        return definitions
    }
}
