import ArgumentParser
import CacheKit
import CacheKitSQLite
import Logging

/// Opens every row of the file.
struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Open every row of the file and every value in it.",
        discussion: """
            Checks the structure of the database, authenticates each row, opens each value under the tenant's key and \
            decodes it; values are left out when a row has failed. Failures are named by the number of their change, never \
            by their key. Exits with 9 when anything fails.
            """)

    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let path = try store.existingDatabasePath()
        let rows = try await verifyRows(path)
        let values = try await withCache(
            try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)
        ) { cache in
            // A feed that does not authenticate can't be walked to its end.
            rows.isClean ? try await Self.verifyValues(cache) : nil
        }
        var fields = Report()
        fields.add("structure_intact", rows.isStructureIntact)
        fields.add("rows_intact", rows.intactRows)
        fields.add("rows_failed", rows.failedRows)
        fields.add("values_opened", values.map { .int(Int64($0.intact)) } ?? .nil)
        fields.add("values_failed", values.map { .int(Int64($0.failures.count)) } ?? .nil)
        let valueFailures = values?.failures ?? []
        let failures = rows.failures.map { "change \($0.sequence.number): \($0.code)" } + valueFailures
        fields.add("failures", .array(failures.prefix(100).map { .string($0) }))
        fields.print(json: report.json)
        if !rows.isClean || !valueFailures.isEmpty { throw ExitStatus.damagedStore }
    }

    private func verifyRows(_ path: String) async throws(CacheError) -> VerifyReport {
        let configuration = store.configuration
        let file = try await SQLiteStore.open(
            StoreOptions.file(path),
            LocalStoreContext(
                keyring: try store.keyring(), tenant: configuration.tenant, hasRemote: false,
                clock: configuration.clock,
                logger: configuration.logger))
        do {
            let report = try await file.verify()
            await file.close()
            return report
        } catch {
            await file.close()
            throw error
        }
    }

    private static func verifyValues(_ cache: Cache) async throws -> (intact: Int, failures: [String]) {
        var intact = 0
        var failures: [String] = []
        try await forEachLiveEntry(in: cache, prefix: "") { entry in
            do {
                _ = try cache.document(of: entry)
                intact += 1
            } catch let error as CacheError {
                failures.append("change \(entry.sequence.number): \(error.code)")
            }
            return true
        }
        return (intact, failures)
    }
}
