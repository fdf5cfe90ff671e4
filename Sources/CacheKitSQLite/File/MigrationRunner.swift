internal import CacheKit
internal import CacheKitCore
internal import Migrations

/// Brings a file to the newest format: each numbered SQL file once, in order, in a transaction of its own.
struct MigrationRunner {
    let connection: SQLiteConnection
    let now: Timestamp

    /// The newest format that this build knows.
    static var newest: Int64 { Int64(Migrations.all.last?.number ?? 0) }

    /// Applies what is missing; the first one and `initialize` share a transaction, so that no file stands half made.
    ///
    /// - Throws: `newerFormat` for a file of a later version, `damagedStore` if a recorded checksum is not ours.
    func run(initialize: () throws(CacheError) -> Void) throws(CacheError) {
        let version = try connection.integer("PRAGMA user_version")
        guard version <= Self.newest else {
            throw CacheError(
                .newerFormat, "the file has format \(version), this version knows \(Self.newest); upgrade CacheKit")
        }
        for migration in Migrations.all where migration.number > version {
            try connection.transaction { () throws(CacheError) in
                // Another process may have been faster while this one waited for the lock.
                guard try connection.integer("PRAGMA user_version") < migration.number else { return }
                try connection.execute(String(decoding: migration.sql, as: UTF8.self), "migrating the database")
                try record(migration)
                try connection.execute("PRAGMA user_version=\(migration.number)", "migrating the database")
                if migration.number == 1 { try initialize() }
            }
        }
        try verify()
    }

    private func record(_ migration: (number: Int, name: String, sql: [UInt8])) throws(CacheError) {
        let insert = try connection.prepare("INSERT INTO migrations VALUES (?1, ?2, ?3, ?4)")
        try insert.bind(Int64(migration.number), at: 1)
        try insert.bind(text: migration.name, at: 2)
        try insert.bind(SHA256.digest(migration.sql), at: 3)
        try insert.bind(now.milliseconds, at: 4)
        try insert.run()
    }

    private func verify() throws(CacheError) {
        let select = try connection.prepare("SELECT checksum FROM migrations ORDER BY number")
        for migration in Migrations.all {
            guard try select.step(), select.bytes(0) == (try SHA256.digest(migration.sql)) else {
                throw CacheError(
                    .damagedStore, "migration \(migration.number) of the file is not this version's; restore a backup")
            }
        }
    }
}
