internal import CacheKit
internal import CacheKitCore
internal import Migrations

/// Brings a file to the newest format: each numbered SQL file once, in order, in a transaction of its own.
struct MigrationRunner {
    let connection: SQLiteConnection
    /// In order of their numbers, from 1 on without a gap.
    let migrations: [Migration]

    /// The newest format that this build knows.
    var newest: Int64 { Int64(migrations.last?.number ?? 0) }

    /// Applies what is missing; the first one and `initialize` share a transaction, so that no file stands half made.
    ///
    /// - Throws: `newerFormat` for a file of a later version, `damagedStore` if a recorded checksum is not ours.
    func run(now: Timestamp, initialize: () throws(CacheError) -> Void) throws(CacheError) {
        let version = try format()
        for migration in migrations where migration.number > version {
            let isFirst = migration.number == 1
            try connection.transaction(isFirst ? .deferred : .immediate) { () throws(CacheError) in
                // The vacuum mode is fixed with the first page, which a pragma outside the transaction would write at once, and
                // "IMMEDIATE" without it. As the first statement it takes the same lock.
                if isFirst { try connection.execute("PRAGMA auto_vacuum=INCREMENTAL", "creating the database") }
                // Another process may have been faster while this one waited for the lock.
                guard try connection.integer("PRAGMA user_version") < migration.number else { return }
                try connection.execute(String(decoding: migration.sql, as: UTF8.self), "migrating the database")
                try record(migration, now)
                try connection.execute("PRAGMA user_version=\(migration.number)", "migrating the database")
                if isFirst { try initialize() }
            }
        }
        // Again: who was faster may have been a newer version.
        try verify(appliedThrough: try format())
    }

    /// The file's format: the number of the last migration applied, 0 for a new file.
    func format() throws(CacheError) -> Int64 {
        let version = try connection.integer("PRAGMA user_version")
        guard version <= newest else {
            throw CacheError(
                .newerFormat, "the file has format \(version), this version knows \(newest); upgrade CacheKit")
        }
        return version
    }

    private func record(_ migration: Migration, _ now: Timestamp) throws(CacheError) {
        let insert = try connection.prepare("INSERT INTO migrations VALUES (?1, ?2, ?3, ?4)")
        try insert.bind(Int64(migration.number), at: 1)
        try insert.bind(text: migration.name, at: 2)
        try insert.bind(SHA256.digest(migration.sql), at: 3)
        try insert.bind(now.milliseconds, at: 4)
        try insert.run()
    }

    /// Compares what the file records of its migrations with this version's.
    func verify(appliedThrough format: Int64) throws(CacheError) {
        guard format > 0 else { return }
        let select = try connection.prepare("SELECT number, checksum FROM migrations ORDER BY number")
        for migration in migrations where migration.number <= format {
            guard try select.step(), select.integer(0) == Int64(migration.number),
                select.bytes(1) == (try SHA256.digest(migration.sql))
            else {
                throw CacheError(
                    .damagedStore, "migration \(migration.number) of the file is not this version's; restore a backup")
            }
        }
        try SchemaCheck.run(connection, migrations.filter { $0.number <= format })
    }
}
