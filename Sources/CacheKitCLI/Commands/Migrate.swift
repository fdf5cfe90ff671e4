import ArgumentParser
import CacheKit
import CacheKitSQLite

/// Brings the file to the newest format, or says what that would change.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the file to this version's format, or say what that would do.",
        discussion: """
            Every command and program that opens a file migrates it; this one does nothing else, so that the time and the \
            moment can be chosen. Each migration runs in a transaction of its own: one that fails leaves the file as it was \
            before it. There is no way back, so make a backup first. --dry-run needs no key and changes nothing. A file of \
            a newer version is refused (exit code 9).
            """)

    @Flag(name: .long, help: "Say which migrations the file lacks, and change nothing.") var dryRun = false
    @OptionGroup var report: ReportOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let file = StoreOptions.file(try store.existingDatabasePath())
        let plan = try await file.migrationPlan()
        if !dryRun { try await withFile(store) { _ in } }
        var fields = Report()
        fields.add("format", dryRun ? plan.format : plan.newestFormat)
        fields.add("newest_format", plan.newestFormat)
        fields.add(dryRun ? "missing" : "applied", .array(plan.missing.map { .string($0) }))
        fields.print(json: report.json)
    }
}
