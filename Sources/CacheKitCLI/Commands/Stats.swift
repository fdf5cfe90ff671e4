import ArgumentParser
import CacheKit

/// Says what the file holds.
struct Stats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what the file holds.")

    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await withCache(try await store.open(requiringDatabase: true, usingRedis: false)) { cache in
            guard let statistics = try await cache.localStatistics() else { return }
            var fields = Report()
            fields.add("entries", statistics.entries)
            fields.add("tombstones", statistics.tombstones)
            fields.add("value_bytes", statistics.valueBytes)
            fields.add("file_bytes", statistics.fileBytes)
            fields.add("last_change", statistics.lastSequence.number)
            fields.add("watermark", statistics.watermark.number)
            fields.add("pending_changes", statistics.backlog.changes)
            fields.add("pending_bytes", statistics.backlog.bytes)
            fields.add("dead_letters", statistics.deadLetters)
            let keys = statistics.rowsByFingerprint.sorted { $0.key.description < $1.key.description }
            fields.add(
                "rows_by_key",
                .map(keys.map { MessagePackValue.Entry(key: $0.key.description, value: .int(Int64($0.value))) }))
            fields.print(json: report.json)
        }
    }
}
