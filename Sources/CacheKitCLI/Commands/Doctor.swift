import ArgumentParser
import CacheKit
import CacheKitSQLite

/// Says what is wrong with a file and what can be saved.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is wrong with a file, what can be saved, and what to do next.",
        discussion: """
            Examines the file stage by stage: header, permissions, log, keys, own records, schema, pages, rows. Rows are named \
            by the number of their change, never by their key. The file is only read, also where damage or the file system \
            lets nothing else open it.

            With --set-aside, rows and records that do not authenticate are taken out of the file and kept in a new one \
            (sealed as they are), and indexes that do not fit their tables are built anew, so that pushing and listing go on.

            Exits with 9 for damage, 7 for a missing or wrong key.
            """)

    @Option(name: .long, help: "Take what does not authenticate out of the file, into this new one.") var setAside:
        String?
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let path = try store.requiredDatabasePath()
        let file = StoreOptions.file(path)
        if let setAside { try await run(file, setAside: setAside) }
        let found = try await file.examine(keyring: keyring(), tenant: store.tenant, clock: SystemClock())
        print(found)
        guard let code = found.code else { return }
        throw ExitStatus(CacheError(code, ""))
    }

    /// Without a key, what needs none is still examined.
    private func keyring() throws(CacheError) -> Keyring? {
        do throws(CacheError) {
            return try store.keyring()
        } catch  where error.code == .missingMasterKey {
            return nil
        }
    }

    private func run(_ file: SQLiteConfiguration, setAside path: String) async throws {
        guard file.fileExists else { throw CacheError(.inputOutput, "there is no file; check the path") }
        let outcome = try await file.setAside(
            into: path,
            LocalStoreContext(
                keyring: try store.keyring(), tenant: store.tenant, hasRemote: false, clock: SystemClock(),
                logger: store.configuration.logger))
        let numbers = outcome.changes.prefix(20).map { "\($0.number)" }.joined(separator: ", ")
        StandardError.write(
            "cachekit: \(outcome.rows) rows set aside\(outcome.rows == 0 ? "" : " (changes \(numbers))"), "
                + "\(outcome.pending) of them writes that Redis does not know; \(outcome.deadLetters) dead letters and \(outcome.records) other records set aside"
        )
        if outcome.hasSetLogAside { StandardError.write("cachekit: the damaged log is kept as \(path)-wal") }
        if outcome.hasRebuiltIndexes { StandardError.write("cachekit: indexes were built anew") }
    }

    private func print(_ found: DoctorReport) {
        let rows = found.rows
        guard !report.json else {
            var fields = Report()
            fields.add("clean", found.isClean)
            fields.add("examined", .array(found.examined.map { .string($0.rawValue) }))
            fields.add("findings", .array(found.findings.map(\.json)))
            for (name, count) in counts(rows) { fields.add(name, count.map { .int(Int64($0)) } ?? .nil) }
            let failures = rows?.verified.failures.prefix(100) ?? []
            fields.add("failed_changes", .array(failures.map { .integer($0.sequence.number) }))
            fields.print(json: true)
            return
        }
        for stage in DoctorReport.Stage.allCases {
            let here = found.findings.filter { $0.stage == stage }
            let state = here.contains { $0.code != nil } ? "DAMAGED" : here.isEmpty ? "in order" : "see below"
            let isReached = found.examined.contains(stage) || !here.isEmpty
            StandardOutput.write("\(pad(stage.rawValue))  \(isReached ? state : "not examined")")
            for finding in here {
                StandardOutput.write("\(pad(""))  \(finding.problem)")
                StandardOutput.write("\(pad(""))  means: \(finding.meaning)")
                StandardOutput.write("\(pad(""))  next:  \(finding.remedy)")
            }
        }
        guard rows != nil else { return }
        StandardOutput.write("")
        var fields = Report()
        for (name, count) in counts(rows) { fields.add(name, count ?? 0) }
        fields.print(json: false)
    }

    private func pad(_ text: String) -> String { text + String(repeating: " ", count: max(0, 11 - text.count)) }

    private func counts(_ rows: DoctorReport.Rows?) -> [(String, Int?)] {
        [
            ("rows_intact", rows?.verified.intactRows), ("rows_failed", rows?.verified.failedRows),
            ("pending", rows?.pending), ("pending_lost", rows?.failedPending), ("exportable", rows?.exportable),
            ("without_key", rows?.withoutKey), ("dead_letters", rows?.deadLetters),
            ("dead_letters_failed", rows?.alteredDeadLetters), ("parked", rows?.parked),
            ("parked_failed", rows?.alteredParked), ("conflicts", rows?.conflicts),
            ("conflicts_failed", rows?.alteredConflicts), ("sending_records_failed", rows?.alteredSendingRecords),
        ]
    }
}

extension DoctorReport.Finding {
    fileprivate var json: MessagePackValue {
        [
            "stage": .string(stage.rawValue), "code": code.map { .string($0.description) } ?? .nil,
            "problem": .string(problem), "meaning": .string(meaning), "next": .string(remedy),
        ]
    }
}
