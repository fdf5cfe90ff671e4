import ArgumentParser
import CacheKit
import CacheKitCore

/// Says what the file holds.
struct Stats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what the file holds.")

    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await withCache(try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)) {
            cache in
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
            fields.add("rows_by_key", .array(try rowsByKey(statistics)))
            fields.print(json: report.json)
        }
    }

    /// How many rows each key still seals: those of the ring, also where they seal none, then those that it lacks. A previous
    /// key without rows can be retired.
    private func rowsByKey(_ statistics: LocalStoreStatistics) throws(CacheError) -> [MessagePackValue] {
        let ring =
            store.plain || store.relayKey != nil
            ? [] : try TenantCipher(keyring: try store.keyring(), tenant: store.tenant).fingerprints
        let unknown = statistics.rowsByFingerprint.keys.filter { !ring.contains($0) }
            .sorted { $0.description < $1.description }
        return (ring + unknown).map { key in
            let role = key == ring.first ? "current" : ring.contains(key) ? "previous" : "unknown"
            return .map([
                MessagePackValue.Entry(key: "key", value: .string(key.description)),
                MessagePackValue.Entry(key: "role", value: .string(role)),
                MessagePackValue.Entry(
                    key: "rows", value: .int(Int64(statistics.rowsByFingerprint[key] ?? 0))),
            ])
        }
    }
}
