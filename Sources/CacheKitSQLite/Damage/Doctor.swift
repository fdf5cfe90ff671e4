public import CacheKit
public import CacheKitCore

extension SQLiteConfiguration {
    /// Examines the file stage by stage, as far as it can be read, and says what is wrong and what can be saved.
    ///
    /// Opens it for reading only and writes nothing. Runs on a thread of its own. Linear in the file.
    ///
    /// - Parameter keyring: `nil` where no key is at hand: then keys, records and rows are left out.
    public func examine(
        keyring: Keyring?, tenant: String, clock: any CacheClock
    ) async throws(CacheError) -> DoctorReport {
        try CacheError.check(problems)
        return try await SystemThread.run { () throws(CacheError) in
            var doctor = Doctor(configuration: self, keyring: keyring, tenant: tenant, now: clock.now())
            try doctor.run()
            return doctor.report
        }
    }
}

/// The stages of an examination.
struct Doctor {
    let configuration: SQLiteConfiguration
    let keyring: Keyring?
    let tenant: String
    let now: Timestamp
    var report = DoctorReport()

    static let export = "save what can be read: cachekit export > rows.ndjson; then import it into a new file"

    mutating func run() throws(CacheError) {
        guard let connection = try examineFile() else { return }
        try examineLog()
        let file: ReadOnlyFile
        do throws(CacheError) {
            file = try ReadOnlyFile(configuration, connection)
            report.examined.append(.schema)
            if try !SchemaCheck.isIntact(file.connection, configuration.migrations) {
                report.add(
                    .schema, .damagedStore, "tables or indexes are not those of the file's format",
                    meaning: "the file is not opened; rows may still be readable", remedy: Self.export)
            }
        } catch  where [.damagedStore, .notADatabase].contains(error.code) {
            report.add(
                .schema, error.code, "SQLite finds no tables: \(error.message)", meaning: "nothing of it can be read",
                remedy: "restore a backup")
            return
        }
        let codec = try examineKeys(file)
        if let codec { try examineRecords(file, codec) }
        let lines = try StructureCheck.findings(file.connection, limit: 20)
        report.examined.append(.structure)
        if let first = lines.first {
            let areIndexes = lines.allSatisfy { $0.contains("index") }
            report.add(
                .structure, .damagedStore,
                "pages or indexes are damaged (\(lines.count < 20 ? "" : "at least "))"
                    + "\(lines.count) findings; the first: \(first))",
                meaning: areIndexes
                    ? "rows are there and the feed may pass over some" : "rows on damaged pages can't be read",
                remedy: areIndexes ? "rebuild the indexes: cachekit doctor --set-aside FILE" : Self.export)
        }
        if let codec { try examineRows(file, codec) }
    }

    // MARK: File and permissions

    /// A connection to look further with; `nil` where there is nothing to look at.
    private mutating func examineFile() throws(CacheError) -> SQLiteConnection? {
        let path = configuration.path
        guard DatabaseFile.exists(path) else {
            let hasRest = DatabaseFile.exists(path + "-wal") || DatabaseFile.exists(path + "-lease")
            report.add(
                .file, .inputOutput, "there is no file",
                meaning: hasRest
                    ? "it was there: what belongs to it still lies beside" : "nothing was ever stored here",
                remedy: hasRest ? "find out who moved it, or restore a backup" : "check the path")
            return nil
        }
        report.examined += [.file, .permissions]
        for problem in DatabaseFile.permissionProblems(path) {
            report.add(
                .permissions, nil, problem.what, meaning: problem.meaning, remedy: problem.remedy)
        }
        if Recreation.isHalfway(path) {
            report.add(
                .file, Recreation.halfway.code, "the file was damaged, and setting it aside was interrupted",
                meaning: "it is not opened; '-damaged' beside it is the same file by another name",
                remedy: "move it away with its '-wal' and '-journal'; opening with onDamage = .recreate does so, too")
        }
        let connection: SQLiteConnection
        do throws(CacheError) {
            connection = try ReadOnlyFile.connect(configuration)
        } catch {
            report.add(
                .file, error.code, error.message, meaning: "it can't be opened, not even for reading",
                remedy: "check the path, its mode and its folder")
            return nil
        }
        do throws(CacheError) {
            guard try !DatabaseFile.isNew(connection, path) else {
                report.add(
                    .file, nil, "the file is empty", meaning: "nothing was stored yet",
                    remedy: "nothing; the next opening creates it")
                report.examined = DoctorReport.Stage.allCases
                return nil
            }
            return connection
        } catch {
            let isDamaged = error.code == .damagedStore
            report.add(
                .file, error.code, error.message,
                meaning: isDamaged
                    ? "it is not opened, and never recreated by itself; rows on the pages that are left may be readable"
                    : "it is not opened and nothing is changed",
                remedy: isDamaged ? Self.export : "check the path; if it was a CacheKit file, restore a backup")
            return isDamaged ? connection : nil
        }
    }

    private mutating func examineLog() throws(CacheError) {
        let log = try LogCheck.run(configuration.path)
        report.examined.append(.log)
        guard let log, log.isHeaderDamaged || log.unreadableCommits > 0 else { return }
        guard log.isDamaged else {
            report.add(
                .log, nil, "the last commit of the log is not whole",
                meaning: "a crash interrupted it: it was never acknowledged, unless the log was damaged",
                remedy: "nothing; the next opening drops it")
            return
        }
        let count = log.isHeaderDamaged ? "all" : "\(log.unreadableCommits)"
        report.add(
            .log, .damagedStore, "the log is damaged: \(count) commits in it can't be read",
            meaning: "acknowledged writes are lost; after a power cut with relaxed durability this is within its terms",
            remedy: "keep a copy of the log; \(Self.export)")
    }
}
