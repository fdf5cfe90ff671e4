public import CacheKit
public import CacheKitCore

/// What a full check of a file found.
public struct VerifyReport: Sendable {
    /// A row that can't be read.
    public struct Failure: Sendable {
        /// Its change as the column says; may itself be altered.
        public var sequence: ChangeSequence
        /// Why.
        public var code: CacheError.Code
    }

    /// Rows that opened.
    public var intactRows = 0
    /// Rows that did not; the first 1,000 of them.
    public var failures: [Failure] = []
    /// How many did not.
    public var failedRows = 0
    /// Whether SQLite's own check of pages and indexes found nothing.
    public var isStructureIntact = false

    /// Whether nothing is wrong.
    public var isClean: Bool { failedRows == 0 && isStructureIntact }
}

extension SQLiteStore {
    /// Opens every row and lets SQLite check its pages; names what fails by its change, never by its key.
    ///
    /// Linear in the file. Reads in small steps, so that it holds up no other reader for long and no checkpoint at all.
    public func verify() async throws(CacheError) -> VerifyReport {
        var report = VerifyReport()
        for table in RowTable.allCases {
            var cursor: Int64? = .min
            while let start = cursor {
                let step = try await read { reader throws(CacheError) in try reader.verify(table, from: start) }
                report.intactRows += step.intactRows
                report.failedRows += step.failures.count
                report.failures += step.failures.prefix(max(0, 1000 - report.failures.count))
                cursor = step.next
                await Task.yield()
            }
        }
        // `integrity_check` may answer with thousands of lines; one that is not "ok" suffices.
        report.isStructureIntact = try await read { reader throws(CacheError) in
            do throws(CacheError) {
                return try reader.connection.text("PRAGMA integrity_check(1)") == "ok"
            } catch  where error.code == .damagedStore {
                return false
            }
        }
        return report
    }
}

/// What one step of a check found, and where the next one begins.
struct VerifyStep: Sendable {
    var intactRows = 0
    var failures: [VerifyReport.Failure] = []
    var next: Int64?
}

extension Reader {
    /// Opens 64 rows from one on.
    func verify(_ table: RowTable, from start: Int64) throws(CacheError) -> VerifyStep {
        let row = table == .entries ? "id" : "row"
        let select = try connection.prepare(
            "SELECT \(RowTable.columns), \(row), id FROM \(table.name) WHERE \(row) >= ?1 ORDER BY \(row) LIMIT 64")
        try select.bind(start, at: 1)
        var step = VerifyStep()
        var count = 0
        while try select.step() {
            count += 1
            let number = select.integer(11)
            step.next = number == .max ? nil : number + 1
            do throws(CacheError) {
                _ = try finder.codec.entry(select, table: table, checksValue: true)
                let hash = KeyHash(bytes: select.bytes(0), bits: finder.codec.hashBits)
                guard hash.id == select.integer(12) else { throw RowCodec.tampered }
                step.intactRows += 1
            } catch {
                let sequence = ChangeSequence(UInt64(bitPattern: select.integer(3)))
                step.failures.append(VerifyReport.Failure(sequence: sequence, code: error.code))
            }
        }
        if count < 64 { step.next = nil }
        return step
    }
}
