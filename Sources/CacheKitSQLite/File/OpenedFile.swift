internal import CacheKit
internal import CacheKitCore
internal import Logging

/// A file that was opened, checked and unlocked: what every connection to it shares.
struct OpenedFile: Sendable {
    let path: String
    let keys: FileKeys
    /// Whoever opens a copy of the file must be able to with the same one.
    let access: LocalStoreKeys
    let logger: Logger
    let configuration: SQLiteConfiguration
    /// Whether the file was ever opened with a remote: from then on pending rows are protected.
    let protectsPending: Bool
    /// What this process removed of it.
    let removals = RemovalCounters()

    var codec: RowCodec { RowCodec(keys: keys, hashBits: configuration.hashBits) }

    /// Creates or checks the file, migrates it, unwraps its keys; closes its connection again. A damaged one is made anew
    /// where that was asked for and nothing speaks against it.
    static func open(_ configuration: SQLiteConfiguration, _ context: LocalStoreContext) throws(CacheError)
        -> OpenedFile
    {
        // Who has only a relay key makes no file.
        guard configuration.onDamage == .recreate, !context.keys.isRelay else {
            return try openAsItIs(configuration, context)
        }
        guard !context.hasRemote else { throw Recreation.remoteIsConfigured }
        let recreation = Recreation(configuration: configuration, context: context)
        // More than twice only where other processes find the same damage.
        for _ in 0..<8 {
            let found = recreation.lookAtFile()
            do throws(CacheError) {
                return try openAsItIs(configuration, context)
            } catch  where [.damagedStore, .tamperedStore].contains(error.code) {
                try recreation.setAside(found, because: error)
            } catch  where movedAway.contains(error.code) && found != recreation.lookAtFile() {
                // Set aside by another process, between two looks of this one.
            }
        }
        return try openAsItIs(configuration, context)
    }

    private static var moved: CacheError {
        CacheError(.inputOutput, "the file was moved away while it was opened; find out by whom, and open it again")
    }

    /// What opening meets where the file is moved meanwhile: nothing at the path, or a file that SQLite no longer writes to
    /// (`SQLITE_READONLY_DBMOVED`, https://www.sqlite.org/rescode.html).
    private static let movedAway: Set<CacheError.Code> = [.inputOutput, .readOnlyStore]

    private static func openAsItIs(
        _ configuration: SQLiteConfiguration, _ context: LocalStoreContext
    ) throws(CacheError) -> OpenedFile {
        let path = configuration.path
        guard !context.keys.isRelay || DatabaseFile.byteCount(path) > 0 else { throw nothingToRelay }
        try FilePermissions.checkFolder(of: path, context.logger)
        try DatabaseFile.createIfMissing(path)
        try FilePermissions.check(path, context.logger)
        guard !Recreation.isHalfway(path) else { throw Recreation.halfway }
        let connection = try SQLiteConnection(configuration)
        let isNew = try DatabaseFile.isNew(connection, path)
        let log = isNew ? nil : try LogCheck.run(path)
        // What can't be read now may be what someone needs; SQLite would throw it away on closing.
        if log?.isDamaged == true { connection.keepLogOnClose() }
        if let log, log.isHeaderDamaged { throw LogCheck.damaged }
        guard !connection.isReadOnly else {
            throw CacheError(.readOnlyStore, "the file can't be written; check the owner and mode of file and folder")
        }
        if isNew {
            // Before the first page: it can't change later without rewriting the file.
            // EXTRA syncs the folder too: a journal that a power cut brings back would take the file back to an empty one, when
            // nothing says any more that it is new.
            try connection.execute(
                "PRAGMA page_size=\(configuration.pageSize); PRAGMA synchronous=EXTRA", "creating the database")
        } else {
            // Log and shared memory are found by the file's name, so they may be another file's. Once a file was read, nobody sets
            // it aside.
            _ = try connection.integer("PRAGMA schema_version")
            guard !connection.hasMoved else { throw moved }
            guard !Recreation.isHalfway(path) else { throw Recreation.halfway }
        }
        try create(connection, configuration, context)
        CreationMark.remove(path)
        try useLog(connection, configuration)
        let file = try unlock(connection, configuration, context)
        let clock = try OwnRecords.check(connection, MetaTable(connection), file.codec)
        if let log, log.unreadableCommits > 0 {
            // Where sequences are reserved, commits were not synced one by one, and a power cut may take several.
            guard !log.isDamaged || clock.isAhead else { throw LogCheck.damaged }
            // What a crash tore must not lie behind the next commits, where it would look like damage.
            _ = try? connection.checkpoint(.truncating)
        }
        try file.settle(connection, context)
        return file
    }

    /// Turns the write-ahead log on where it is not. Needs the file alone, and SQLite does not wait for that where two processes
    /// that have just created the file turn it on together.
    private static func useLog(_ connection: SQLiteConnection, _ configuration: SQLiteConfiguration) throws(CacheError)
    {
        let deadline = ContinuousClock.now + configuration.busyTimeout
        while true {
            do throws(CacheError) {
                if try connection.text("PRAGMA journal_mode") == "wal" { return }
                if try connection.text("PRAGMA journal_mode=WAL") == "wal" { return }
            } catch {
                guard error.code == .storeBusy, ContinuousClock.now < deadline else { throw error }
                SystemThread.pause(milliseconds: 2)
                continue
            }
            throw CacheError(.inputOutput, "the file system does not support SQLite's log; use a local file system")
        }
    }

    private static func create(
        _ connection: SQLiteConnection, _ configuration: SQLiteConfiguration, _ context: LocalStoreContext
    ) throws(CacheError) {
        // In one transaction under a rollback journal: a crash leaves an empty file or a whole one.
        let runner = MigrationRunner(connection: connection, migrations: configuration.migrations)
        try runner.run(now: context.clock.now()) { () throws(CacheError) in
            try connection.execute("PRAGMA application_id=\(DatabaseFile.applicationID)", "creating the database")
            let meta = try MetaTable(connection)
            let databaseID = try RandomBytes.draw(16)
            try meta.setChecked("database_id", databaseID)
            try meta.setChecked("oldest_reader", [1])
            let wraps = KeyWraps(databaseID: databaseID)
            let keys = try wraps.create(context.keys.keyring, tenant: context.tenant, meta)
            try meta.setSealed(FileLocation.name, FileLocation.current(configuration).encoded, keys)
            try meta.setSealed("tenant", Array(context.tenant.utf8), keys)
            try meta.setSealed("has_remote", [context.hasRemote ? 1 : 0], keys)
            try meta.setSealed("clock", FileClock(node: FileLocation.drawNode()).encoded, keys)
            try meta.setSealed("watermark", Watermark().encoded, keys)
        }
    }

    private static func unlock(
        _ connection: SQLiteConnection, _ configuration: SQLiteConfiguration, _ context: LocalStoreContext
    ) throws(CacheError) -> OpenedFile {
        let meta = try MetaTable(connection)
        guard let databaseID = try meta.checked("database_id"), databaseID.count == 16 else { throw incomplete }
        try checkOldestReader(meta)
        let wraps = KeyWraps(databaseID: databaseID)
        let keys = try wraps.open(context.keys, connection)
        guard let tenant = try meta.sealed("tenant", keys), let hasRemote = try meta.sealed("has_remote", keys)
        else { throw incomplete }
        guard ConstantTime.equal(tenant, Array(context.tenant.utf8)) else {
            throw otherTenant
        }
        if context.hasRemote, hasRemote != [1] {
            try connection.transaction { () throws(CacheError) in try meta.setSealed("has_remote", [1], keys) }
        }
        // Its being there says, also when nothing in the file can be read, that there may be unsynchronised writes.
        if context.hasRemote { try FileLease.create(configuration.path + "-lease") }
        return OpenedFile(
            path: configuration.path, keys: keys, access: context.keys, logger: context.logger,
            configuration: configuration,
            protectsPending: context.hasRemote || hasRemote == [1])
    }

    /// Refuses a file whose writer says that this version would misread it.
    static func checkOldestReader(_ meta: MetaTable) throws(CacheError) {
        guard try meta.checked("oldest_reader")?.first ?? 1 <= FileKeys.formatVersion else {
            throw CacheError(.newerFormat, "the file needs a newer version; upgrade CacheKit")
        }
    }

    /// A copy of this file under another path, unlocked with the same keys; writes nothing to it.
    func copied(to path: String) throws(CacheError) -> OpenedFile {
        let moved = configuration.moved(to: path)
        let connection = try SQLiteConnection(moved)
        guard let databaseID = try MetaTable(connection).checked("database_id"), databaseID.count == 16 else {
            throw Self.incomplete
        }
        return OpenedFile(
            path: path, keys: try KeyWraps(databaseID: databaseID).open(access, connection), access: access,
            logger: logger, configuration: moved, protectsPending: protectsPending)
    }

    /// A walk in order met something out of order; going on might never end.
    static var disordered: CacheError {
        CacheError(.damagedStore, "an index of the file is out of order; keep a copy and run 'cachekit doctor'")
    }

    static var otherTenant: CacheError {
        CacheError(
            .invalidConfiguration, "the file belongs to another tenant; give each tenant a file of its own")
    }

    private static var nothingToRelay: CacheError {
        CacheError(.inputOutput, "there is no file at this path, and a relay key makes none; check the path")
    }

    static var incomplete: CacheError {
        CacheError(.damagedStore, "the file lacks records of its own; keep a copy and restore a backup")
    }
}
