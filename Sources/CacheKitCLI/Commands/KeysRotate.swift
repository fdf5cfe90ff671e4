import ArgumentParser
import CacheKit
import CacheKitCore

extension Keys {
    /// Seals what older keys sealed under the current one.
    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Seal every settled value of the file under the current key.",
            discussion: """
                Rotating a master key takes three steps, and no downtime:
                  1. Give every process the new key in CACHEKIT_PREVIOUS_MASTER_KEYS, so that all can read what comes.
                  2. Promote it: CACHEKIT_MASTER_KEY is the new key, the old one moves to CACHEKIT_PREVIOUS_MASTER_KEYS. \
                A running service re-seals in the background; this command does it now.
                  3. When `cachekit stats` shows no row under the old key: `cachekit keys retire`. Keep it as a previous \
                key for as long as Redis may hold values under it.

                Changes that wait for Redis stay as they are: push them, then run this again. It can be stopped anywhere and \
                goes on from there. Exits with 3 while values are left under an older key.
                """)

        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            _ = try store.existingDatabasePath()
            let cache = try await store.open(requiringDatabase: true, usingRedis: false)
            let result = try await withCache(cache) { cache in
                let held = try await cache.localStatistics()
                var progress = Progress("re-sealed", total: held.map { $0.entries + $0.tombstones })
                defer { progress.end() }
                return try await cache.reseal { progress.update($0.resealed, done: $0.scanned) }
            }
            var fields = Report()
            fields.add("rows", result.scanned)
            fields.add("resealed", result.resealed)
            fields.add("waiting", result.waiting)
            fields.add("overtaken", result.overtaken)
            fields.add("unopened", result.unopened)
            fields.add("unreadable", result.unreadable)
            fields.add("next_step", Self.nextStep(result))
            fields.print(json: report.json)
            if result.waiting + result.overtaken + result.unopened + result.unreadable > 0 { throw ExitStatus.partial }
        }

        private static func nextStep(_ result: ResealReport) -> String {
            if result.unreadable > 0 { return "rows do not authenticate; run: cachekit verify" }
            if result.unopened > 0 { return "values are under a key that is not given; add it as a previous key" }
            if result.waiting > 0 { return "push what waits (cachekit sync push), then run this again" }
            if result.overtaken > 0 { return "run this again" }
            return "nothing is under an older key; when every process has the new one: cachekit keys retire"
        }
    }
}
