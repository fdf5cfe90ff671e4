internal import CacheKit
internal import CacheKitCore

/// One backup: a snapshot of the file is copied page by page, checked, and only then given its name.
///
/// Runs on a thread of its own with connections of its own, so that neither the writer nor a reader waits for it.
struct Backup {
    /// 256 KiB: small enough to stop soon, large enough that a step costs nothing beside the copying.
    private static let pagesPerStep: Int32 = 64

    let file: OpenedFile
    let path: String
    let stop: BackupStop
    let progress: BackupProgress?

    func run() throws(CacheError) -> BackupReport {
        // Removed by its deinit unless it was published.
        let target = try BackupTarget(path, file.logger)
        try copy(to: target.partialPath)
        try target.sync()
        let report = try check(target.partialPath)
        try stop.check()
        try target.publish()
        return report
    }

    private func copy(to partialPath: String) throws(CacheError) {
        let source = try SQLiteConnection(file.configuration)
        let target = try SQLiteConnection(file.configuration.moved(to: partialPath))
        // A copy that was cut short is thrown away, and a whole one is synced before it gets its name.
        try target.execute("PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF")
        // The snapshot begins with the first read and is given back with the last page. Until then the log can't be reset.
        try source.transaction(.deferred) { () throws(CacheError) in
            _ = try source.integer("SELECT count(*) FROM meta")
            let copy = try PageCopy(from: source, to: target)
            while try copy.step(pages: Self.pagesPerStep) {
                progress?(copy.pageCount - copy.remainingPages, copy.pageCount)
                try stop.check()
            }
        }
    }

    /// Opens the copy with the same keyring, lets SQLite check its pages, and authenticates every row.
    private func check(_ partialPath: String) throws(CacheError) -> BackupReport {
        let copy = try file.copied(to: partialPath)
        let reader = try Reader(copy)
        guard try reader.connection.text("PRAGMA integrity_check(1)") == "ok" else {
            throw CacheError(.damagedStore, "the copy is damaged, as the file may be; run 'cachekit doctor'")
        }
        var report = VerifyReport()
        var scan = RowScan()
        while let step = try scan.step(reader.connection, copy.codec) {
            try stop.check()
            report.add(step)
            if let failure = report.failures.first {
                throw CacheError(
                    failure.code,
                    "change \(failure.sequence.number) of the file does not open, so there is no backup; "
                        + "run 'cachekit doctor', save the rest with 'cachekit export'")
            }
        }
        return BackupReport(
            rows: report.intactRows, fileBytes: DatabaseFile.byteCount(partialPath),
            lastSequence: ChangeSequence(try reader.clock().lastSequence),
            watermark: ChangeSequence(try reader.watermark().sequence))
    }
}
