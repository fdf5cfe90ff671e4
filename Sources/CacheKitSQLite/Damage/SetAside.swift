public import CacheKit
public import CacheKitCore

/// What was taken out of a file, so that the rest works again.
public struct SetAsideReport: Sendable, Equatable {
    /// Changes of the rows that did not authenticate, as their columns said; the first 1,000.
    public var changes: [ChangeSequence] = []
    /// How many rows that were.
    public var rows = 0
    /// How many of them were written here and not known to Redis: those writes are lost.
    public var pending = 0
    /// Dead letters that did not authenticate.
    public var deadLetters = 0
    /// Parked changes, conflicts, and records of what was sent, that did not authenticate.
    public var records = 0
    /// Whether indexes did not fit their tables and were built anew.
    public var hasRebuiltIndexes = false
    /// Whether the log was damaged: it was kept whole, and what SQLite could read of it was moved into the file.
    public var hasSetLogAside = false
    /// Rows and places that can't be read, and so not be taken out either: export the rest.
    public var unreadable = 0
}

extension SQLiteConfiguration {
    /// Takes what does not authenticate out of the file and keeps its bytes in a new one, so that pushing, listing and
    /// maintenance go on. What is taken out is lost to the cache.
    ///
    /// The new file has a line of JSON for each row, blobs in hex: sealed as they were. A damaged log is kept beside it, as
    /// `<path>-wal`. Rows are written and synced there before they go. Linear in the file.
    ///
    /// - Throws: what opening the file throws; `invalidArgument` if the new file exists.
    public func setAside(into path: String, _ context: LocalStoreContext) async throws(CacheError) -> SetAsideReport {
        try CacheError.check(problems)
        let kept = try SetAsideFile(path)
        do throws(CacheError) {
            return try await setAside(into: kept, logInto: path + "-wal", context)
        } catch {
            // Or the next try would find its place taken.
            kept.removeIfEmpty()
            throw error
        }
    }

    private func setAside(
        into kept: SetAsideFile, logInto logPath: String, _ context: LocalStoreContext
    ) async throws(CacheError) -> SetAsideReport {
        let hasSetLogAside = try await SystemThread.run { () throws(CacheError) in
            try requireKey(context.keys.keyring)
            return try setLogAside(into: logPath)
        }
        let store = try await SQLiteStore.open(self, context)
        do throws(CacheError) {
            var report = try await store.setAside(into: kept)
            report.hasSetLogAside = hasSetLogAside
            await store.close()
            return report
        } catch {
            await store.close()
            throw error
        }
    }

    /// Refuses a wrong master key before the log is touched; what else is wrong with the file, opening it finds.
    private func requireKey(_ keyring: Keyring) throws(CacheError) {
        guard DatabaseFile.exists(path) else { return }
        do throws(CacheError) {
            _ = try ReadOnlyFile(self, ReadOnlyFile.connect(self)).codec(keyring)
        } catch  where error.code != .wrongMasterKey {
            return
        }
    }

    private func setLogAside(into path: String) throws(CacheError) -> Bool {
        guard DatabaseFile.exists(self.path), let log = try LogCheck.run(self.path), log.isDamaged else { return false }
        let kept = try SetAsideFile(path)
        try kept.append(contentsOf: self.path + "-wal")
        try kept.sync()
        let connection = try SQLiteConnection(self)
        // Without a read before it, a checkpoint does not open the log.
        _ = try connection.integer("PRAGMA schema_version")
        _ = try connection.checkpoint(.truncating)
        return true
    }
}

extension SQLiteStore {
    func setAside(into kept: SetAsideFile) async throws(CacheError) -> SetAsideReport {
        var report = SetAsideReport()
        report.hasRebuiltIndexes = try await write(transactional: false) { writer throws(CacheError) in
            try writer.rebuildIndexesIfDamaged()
        }
        var scan = RowScan()
        while true {
            let (start, before) = (scan, report)
            let step = try await write { writer throws(CacheError) -> (RowScan, SetAsideReport)? in
                var (scan, report) = (start, before)
                return try writer.setAside(&scan, into: kept, &report) ? (scan, report) : nil
            }
            guard let step else { break }
            (scan, report) = step
        }
        report.unreadable += scan.unreadablePlaces
        report.deadLetters = try await write { writer throws(CacheError) in
            try writer.setAside(.deadLetters, into: kept)
        }
        report.records = try await write { writer throws(CacheError) in
            let tables: [SealedTable] = [.parked, .conflicts, .marks]
            var count = try writer.setSentNoteAside(into: kept)
            for table in tables { count += try writer.setAside(table, into: kept) }
            return count
        }
        return report
    }
}

extension Writer {
    /// Builds the indexes anew where they do not fit their tables; their content is in the tables.
    func rebuildIndexesIfDamaged() throws(CacheError) -> Bool {
        guard try StructureCheck.findings(connection, limit: 20).contains(where: { $0.contains("index") }) else {
            return false
        }
        try connection.transaction { () throws(CacheError) in try connection.execute("REINDEX", "rebuilding indexes") }
        return true
    }

    /// Takes out what a step of the scan finds altered; `false` at the end.
    func setAside(
        _ scan: inout RowScan, into kept: SetAsideFile, _ report: inout SetAsideReport
    ) throws(CacheError) -> Bool {
        guard let step = try scan.step(connection, file.codec) else { return false }
        let watermark = try readWatermark()
        var altered: [ScannedRow] = []
        for row in step {
            switch row.content {
            case .intact: continue
            case .unreadable: report.unreadable += 1
            case .altered: altered.append(row)
            }
        }
        for row in altered {
            try kept.append(line(row.table.name, row.table == .entries ? "id" : "row", Self.columns, row.number))
            report.rows += 1
            if row.isLocal, row.sequence > watermark.sequence { report.pending += 1 }
            if report.changes.count < 1000 { report.changes.append(ChangeSequence(row.sequence)) }
        }
        guard !altered.isEmpty else { return true }
        try kept.sync()
        for row in altered { try rows.removeAltered(row.table, row.number) }
        return true
    }

    /// Takes altered records out of a table beside those of rows.
    func setAside(_ table: SealedTable, into kept: SetAsideFile) throws(CacheError) -> Int {
        var altered: [Int64] = []
        try table.forEach(connection, file.codec) { number, isIntact in
            if !isIntact { altered.append(number) }
        }
        let delete = try connection.prepare("DELETE FROM \(table.rawValue) WHERE \(table.key) = ?1")
        for number in altered {
            try kept.append(line(table.rawValue, table.key, [table.key] + table.columns, number))
            try kept.sync()
            try delete.bind(number, at: 1)
            try delete.run()
        }
        return altered.count
    }

    /// Takes the note of what was sent out, if it is altered.
    func setSentNoteAside(into kept: SetAsideFile) throws(CacheError) -> Int {
        do throws(CacheError) {
            _ = try meta.sent(file.keys)
            return 0
        } catch  where [.damagedStore, .tamperedStore].contains(error.code) {
            let select = try connection.prepare(
                """
                SELECT json_object('table', 'meta', 'name', name, 'content', hex(content)) FROM meta
                WHERE name = '\(SentNote.name)'
                """)
            guard try select.step() else { return 0 }
            try kept.append(select.bytes(0) + [0x0A])
            select.reset()
            try kept.sync()
            try meta.delete(SentNote.name)
            return 1
        }
    }

    private static let columns = [
        "id", "key_hash", "sealed_meta", "version", "change_seq", "origin", "base", "expires_at", "stale_at",
        "accessed_at", "key_fingerprint", "value",
    ]

    /// A row as a line of JSON; whatever is no number in hex.
    private func line(
        _ table: String, _ key: String, _ columns: [String], _ number: Int64
    ) throws(CacheError) -> [UInt8] {
        let members = columns.map { "'\($0)', iif(typeof(\($0)) IN ('integer', 'null'), \($0), hex(\($0)))" }
        let select = try connection.prepare(
            "SELECT json_object('table', '\(table)', \(members.joined(separator: ", "))) FROM \(table) WHERE \(key) = ?1"
        )
        try select.bind(number, at: 1)
        return try select.step() ? select.bytes(0) + [0x0A] : []
    }
}
