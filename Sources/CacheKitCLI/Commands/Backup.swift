import ArgumentParser
import CacheKit
import CacheKitSQLite
import UnixSignals

/// Copies the file while others use it.
struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the file to a new one while others read and write it, and check the copy.",
        discussion: """
            The copy holds everything up to one moment, is encrypted like the file and opens with the same keys. It never \
            replaces a file that is there (exit code 2). It is synced and checked - SQLite's structure, and every row - \
            before the command says so; when that fails, or on Ctrl-C, nothing is left. To restore, stop whoever uses the \
            database, move it and its -wal and -shm away, and copy the backup to its place.
            """)

    @Argument(help: "Where the copy goes; nothing may be there.") var newFile: String
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        _ = try store.existingDatabasePath()
        let copied = try await withFile(store) { file in try await copy(file) }
        var fields = Report()
        fields.add("rows", copied.rows)
        fields.add("file_bytes", copied.fileBytes)
        fields.add("last_change", copied.lastSequence.number)
        fields.add("watermark", copied.watermark.number)
        fields.print(json: report.json)
    }

    /// A signal cancels the copy, which takes away what it has written.
    private func copy(_ file: SQLiteStore) async throws -> BackupReport {
        let newFile = newFile
        let line = ProgressLine("copied pages:")
        defer { line.end() }
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        return try await withThrowingTaskGroup(of: BackupReport?.self) { group in
            group.addTask {
                try await file.backup(to: newFile) { done, total in line.update(done, total: total) }
            }
            group.addTask {
                for await _ in signals { break }
                return nil
            }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                if let outcome { return outcome }
                group.cancelAll()
            }
            throw CancellationError()
        }
    }
}
