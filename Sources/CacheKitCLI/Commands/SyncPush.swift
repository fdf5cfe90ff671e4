import ArgumentParser
import CacheKit

extension Sync {
    /// Sends what waits, then ends.
    struct Push: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send what waits, then end.",
            discussion:
                "Exits with 6 or 7 when Redis can't be used, 5 when the file holds dead letters or parked changes, 4 when changes lost, 8 when another process pushes."
        )

        @Option(name: .long, help: "Give up after so long: seconds, or 500ms, 10m, 2h.") var deadline: TTLArgument?
        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let cache = try await store.open(
                requiringDatabase: true, creatingDatabase: false, requiringRedis: true)
            let end = try await withCache(cache) { cache -> PushEnd? in
                // Redis that does not answer at all is told at once, not after the deadline.
                if case .unavailable(let error) = await cache.health().remote.state { throw error }
                guard let status = await cache.push(deadline: deadline?.duration ?? .seconds(3600)) else { return nil }
                return try await PushEnd(status, of: cache)
            }
            guard let end else { return }
            var fields = Report(schema: SyncReport.schema)
            let outcomes = end.status.outcomes
            fields.add("applied", outcomes.applied)
            fields.add("superseded", outcomes.superseded)
            fields.add("lost_to_newer", outcomes.stale)
            fields.add("lost_to_foreign", outcomes.foreign)
            fields.add("lost_to_absence", outcomes.absent)
            fields.add("expired", outcomes.expired)
            fields.add("resent", outcomes.resent)
            fields.add("parked", end.parked)
            fields.add("dead_letters", end.deadLetters)
            fields.add("pending_changes", end.status.backlog.changes)
            fields.print(json: report.json)
            try end.check()
        }
    }
}
