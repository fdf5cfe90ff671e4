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

extension VerifyReport {
    /// Takes in what a step of the scan found.
    mutating func add(_ rows: [ScannedRow]) {
        for row in rows {
            let code: CacheError.Code
            switch row.content {
            case .intact:
                intactRows += 1
                continue
            case .altered: code = .tamperedStore
            case .unreadable: code = .damagedStore
            }
            failedRows += 1
            if failures.count < 1000 { failures.append(Failure(sequence: ChangeSequence(row.sequence), code: code)) }
        }
    }
}

extension SQLiteStore {
    /// Opens every row and lets SQLite check its pages; names what fails by its change, never by its key.
    ///
    /// Linear in the file. Opens rows in small steps, so that it holds up no other reader for long; the check of the pages
    /// runs on a thread and in a snapshot of its own.
    ///
    /// - Throws: ``CacheError/Code/missingMasterKey`` with a relay key.
    public func verify() async throws(CacheError) -> VerifyReport {
        _ = try file.keys.valueKey()
        var report = VerifyReport()
        var scan = RowScan()
        while true {
            let start = scan
            let step = try await read { reader throws(CacheError) -> (RowScan, [ScannedRow])? in
                var scan = start
                return try scan.step(reader.connection, reader.finder.codec).map { (scan, $0) }
            }
            guard let step else { break }
            scan = step.0
            report.add(step.1)
            await Task.yield()
        }
        // One call that reads every page: not for the caller's thread, nor with a reader that point reads wait for.
        let isStructureIntact = try await reads.scan { reader throws(CacheError) in
            try StructureCheck.findings(reader.connection, limit: 1).isEmpty
        }
        report.isStructureIntact = isStructureIntact && scan.unreadablePlaces == 0
        return report
    }
}
