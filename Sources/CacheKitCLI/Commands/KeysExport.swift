import ArgumentParser
import CacheKit
import CacheKitCore
import CacheKitSQLite

extension Keys {
    /// Writes the key of whoever is to send and not to read.
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a key that sends the file's changes and opens no value.",
            discussion: """
                For `--relay-key` of `cachekit sync push`, `run` and `status`, and of `cachekit list`: whoever has the new file \
                sees the names, sizes and times of the entries of this database, and sends sealed values to Redis unread. \
                It opens no value, also none in Redis, and is of no use for another database. \
                It stays good for as long as the database lives, whatever master keys are rotated. \
                The new file has the mode 0600, and replaces nothing (exit code 2).
                """)

        @Option(name: .long, help: "Where the key goes; nothing may be there.") var relay: String
        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            _ = try store.existingDatabasePath()
            try await withFile(store) { file in try await file.relayKey() }.write(to: relay)
            var fields = Report()
            fields.add("file_bytes", RelayKey.fileByteCount)
            fields.print(json: report.json)
        }
    }
}
