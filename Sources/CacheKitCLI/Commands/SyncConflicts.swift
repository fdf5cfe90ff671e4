import ArgumentParser
import CacheKit
import CacheKitCore

extension Sync {
    /// Changes that lost against what Redis held.
    struct Conflicts: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Look at changes that lost against what Redis held, and decide about them.",
            discussion: """
                Redis' side won already, and the file has it; the losers are kept until somebody decides, the last 1,000. \
                stale: a newer version was there. foreign: another SDK had written the key. absent: the value was gone.
                """,
            subcommands: [List.self, Show.self, Resolve.self])

        static func list(in cache: Cache) throws(CacheError) -> ReviewedList<KeptConflict> {
            let store = try cache.review
            return ReviewedList(
                page: { after, limit throws(CacheError) in try await store.conflicts(after: after, limit: limit) },
                sequence: { $0.sequence }, key: { $0.key })
        }

        static func fields(_ conflict: KeptConflict) -> [(String, MessagePackValue)] {
            [
                ("id", .integer(conflict.sequence.number)), ("namespace", SyncReport.namespace(conflict.key)),
                ("key", .string(conflict.key.string)), ("reason", .string("\(conflict.loss)")),
                ("lost_at", SyncReport.time(conflict.lostAt)),
                ("loser", SyncReport.map(conflict.loser.fields + [("value_kept", .bool(conflict.isValueKept))])),
                (
                    "standing",
                    conflict.standing.map {
                        SyncReport.map($0.fields + [("origin", .string("\($0.origin)"))])
                    } ?? .nil
                ),
            ]
        }

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "List them, one a line: number, key, what lost, when, why, what stands there now.")

            @OptionGroup var listing: ListingOptions

            func run() async throws {
                try await withCache(try await listing.open()) { cache in
                    var left = listing.limit ?? .max
                    let list = try Conflicts.list(in: cache)
                    let unreadable = try await list.forEach(namespace: listing.namespace) { conflicts in
                        for conflict in conflicts.prefix(left) { Self.write(conflict, json: listing.report.json) }
                        left -= min(left, conflicts.count)
                        return left > 0
                    }
                    try listing.tell(unreadable)
                }
            }

            private static func write(_ conflict: KeptConflict, json: Bool) {
                guard !json else { return SyncReport.line(Conflicts.fields(conflict)) }
                let standing = conflict.standing.map { "\($0.text) from \($0.origin == .local ? "here" : "Redis")" }
                StandardOutput.write(
                    "\(conflict.sequence.number)  \(conflict.key.string)  \(conflict.loser.text)  "
                        + "\(SyncReport.ago(conflict.lostAt))  \(conflict.loss)  standing: \(standing ?? "nothing")")
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Open one: the value that lost and the one that stands there now.",
                discussion: "Exits with 3 when there is no such conflict, 7 when a value does not open.")

            @Argument(help: "Its number, as `list` prints it.") var id: UInt64
            @OptionGroup var report: ReportOptions
            @OptionGroup var store: StoreOptions

            func run() async throws {
                let cache = try await store.open(
                    requiringDatabase: true, creatingDatabase: false, usingRedis: false)
                try await withCache(cache) { cache in
                    let before = ChangeSequence(id - min(id, 1))
                    let found = try await cache.review.conflicts(after: before, limit: 1).elements.first
                    guard let conflict = found, conflict.sequence.number == id else {
                        StandardError.write("cachekit: there is no such conflict; see: cachekit sync conflicts list")
                        throw ExitStatus.partial
                    }
                    let values = try await cache.documents(ofConflict: conflict.sequence)
                    var fields = Report(schema: SyncReport.schema)
                    for (name, value) in Conflicts.fields(conflict) { fields.add(name, value) }
                    fields.add("losing_value", values.loser ?? .nil)
                    fields.add("standing_value", values.standing ?? .nil)
                    fields.print(json: report.json)
                }
            }
        }

        struct Resolve: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Forget what lost, or write it again.",
                discussion: """
                    --keep-remote forgets the losers. --keep-local writes each as a new change, with the whole of the life that \
                    it had, sealed under the current key; with Redis given one try is made at once to send it. What was written \
                    here since it lost stays, and its conflict with it (exit code 3), unless --overwrite says otherwise. Asks \
                    on a terminal; needs --yes elsewhere.
                    """)

            @Flag(name: .long, help: "What Redis held stands.") var keepRemote = false
            @Flag(name: .long, help: "What lost is written again.") var keepLocal = false
            @Flag(name: .long, help: "Also over what was written here since.") var overwrite = false
            @OptionGroup var selection: SelectionOptions
            @OptionGroup var confirmation: Confirmation
            @OptionGroup var report: ReportOptions
            @OptionGroup var store: StoreOptions

            func validate() throws {
                guard keepRemote != keepLocal else { throw ValidationError("give --keep-remote or --keep-local") }
                if overwrite, keepRemote { throw ValidationError("--overwrite goes with --keep-local") }
            }

            func run() async throws {
                let cache =
                    keepLocal
                    ? try await store.openForWriting(requiringDatabase: true)
                    : try await store.open(requiringDatabase: true, creatingDatabase: false, usingRedis: false)
                let status = try await withCache(cache) { cache -> ExitStatus? in
                    let winner: Cache.ConflictWinner = keepLocal ? .local(overwritesLocal: overwrite) : .remote
                    let tally = try await Conflicts.list(in: cache).decide(
                        selection, confirm: { try confirmation.require(question($0)) }
                    ) { ids throws(CacheError) in
                        try await cache.settleConflicts(ids, keeping: winner)
                    }
                    let status = keepLocal && tally.done > 0 ? await pushAfterWriting(cache) : nil
                    let statistics = try await cache.localStatistics()
                    if tally.superseded > 0 {
                        StandardError.write(
                            "cachekit: \(tally.superseded) keys were written here since; replace that with --overwrite, or let it stand with --keep-remote"
                        )
                    }
                    try tally.report(
                        keepLocal ? "keep_local" : "keep_remote", left: statistics?.conflicts ?? 0,
                        pending: statistics?.backlog.changes ?? 0, spares: true, json: report.json)
                    return status
                }
                if let status { throw status }
            }

            private func question(_ count: Int) -> String {
                keepLocal
                    ? "write \(count) losing values again, over what Redis holds"
                    : "forget \(count) losing values for good"
            }
        }
    }
}
