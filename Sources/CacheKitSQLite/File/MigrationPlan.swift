public import CacheKitCore
internal import Migrations

/// What opening a file would do to its format.
public struct MigrationPlan: Sendable, Equatable {
    /// The file's format; 0 for an empty file.
    public var format: Int
    /// The format that this version writes.
    public var newestFormat: Int
    /// Names of the migrations that opening would apply, in order; empty where the file is up to date.
    public var missing: [String]
}

extension SQLiteConfiguration {
    /// Whether anything is at the path.
    public var fileExists: Bool { DatabaseFile.exists(path) }

    /// Says which migrations the file lacks. Needs no key, changes nothing, and creates no log beside it.
    ///
    /// Reads the header and the records of migrations only. Runs on a thread of its own, because it may wait for another process.
    ///
    /// - Throws: `inputOutput` if there is no file; `newerFormat`, `damagedStore`, `notADatabase` as opening would.
    public func migrationPlan() async throws(CacheError) -> MigrationPlan {
        try CacheError.check(problems)
        return try await SystemThread.run { () throws(CacheError) in try readMigrationPlan() }
    }

    private func readMigrationPlan() throws(CacheError) -> MigrationPlan {
        var plan = MigrationPlan(
            format: 0, newestFormat: migrations.last?.number ?? 0, missing: migrations.map(\.name))
        try FilePermissions.check(path, nil)
        // Without a log the file alone is the whole truth, and "immutable" keeps SQLite from making one.
        let access: SQLiteConnection.Access = DatabaseFile.byteCount(path + "-wal") == 0 ? .unchanged : .readOnly
        let connection = try SQLiteConnection(self, access: access)
        guard try !DatabaseFile.isNew(connection, path) else { return plan }
        let runner = MigrationRunner(connection: connection, migrations: migrations)
        let format = try runner.format()
        try runner.verify(appliedThrough: format)
        if format > 0 { try OpenedFile.checkOldestReader(MetaTable(connection)) }
        plan.format = Int(format)
        plan.missing = migrations.filter { $0.number > format }.map(\.name)
        return plan
    }
}
