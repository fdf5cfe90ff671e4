import ArgumentParser
import CacheKit
import CacheKitCore

extension Sync {
    /// Says what waits, whether it moves, what failed and why, and what to do next.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what waits for Redis, whether it moves, what failed, and what to do next.",
            discussion: """
                Works from the file alone, also beside a process that pushes; with Redis given it is asked, too. Exits with 0 \
                when all is well, 6 when Redis does not answer, 7 when it refuses the user, 5 when dead letters or parked \
                changes are left, 3 when changes wait, 4 when conflicts are left.
                """)

        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let cache = try await store.open(requiringDatabase: true, creatingDatabase: false, patience: .seconds(2))
            let exit = try await withCache(cache) { cache -> ExitStatus in
                guard let statistics = try await cache.localStatistics() else { return .clean }
                let review = try cache.review
                let diagnosis = SyncDiagnosis(
                    backlog: statistics.backlog, deadLetters: statistics.deadLetters, parked: statistics.parked,
                    conflicts: statistics.conflicts, isPushed: try await cache.isPushed(),
                    progress: try await review.sendingProgress(), redis: await Self.ask(cache),
                    now: SystemClock().now())
                var fields = Report(schema: SyncReport.schema)
                Self.addBacklog(diagnosis, statistics, to: &fields)
                fields.add("dead_letters", statistics.deadLetters)
                fields.add("dead_letter_reasons", try await Self.reasons(SetAsideList(kind: .deadLetter), cache))
                fields.add("parked", statistics.parked)
                fields.add("parked_reasons", try await Self.reasons(SetAsideList(kind: .parked), cache))
                fields.add("conflicts", statistics.conflicts)
                fields.add(
                    "conflict_reasons",
                    try await Self.count(Conflicts.list(in: cache)) { "\($0.loss)" })
                Self.addRedis(diagnosis.redis, to: &fields)
                fields.print(json: report.json, nextSteps: diagnosis.nextSteps)
                return diagnosis.exit
            }
            if exit != .clean { throw exit }
        }

        private static func ask(_ cache: Cache) async -> SyncDiagnosis.Redis {
            do throws(CacheError) {
                guard let (survey, offset) = try await cache.surveyRemote() else { return .notGiven }
                return .answers(evictsRecords: survey.evictsRecords, clockOffset: offset)
            } catch {
                return .fails(error)
            }
        }

        private static func addBacklog(
            _ diagnosis: SyncDiagnosis, _ statistics: LocalStoreStatistics, to fields: inout Report
        ) {
            func age(_ time: Timestamp?) -> MessagePackValue {
                time.map { .int(SyncReport.seconds(since: $0)) } ?? .nil
            }
            fields.add("state", diagnosis.motion.rawValue)
            fields.add("pending_changes", diagnosis.backlog.changes)
            fields.add("pending_bytes", diagnosis.backlog.bytes)
            fields.add("oldest_pending_seconds", age(diagnosis.backlog.oldest))
            fields.add("pusher_running", diagnosis.isPushed)
            fields.add("last_progress_seconds", age(diagnosis.progress.movedAt))
            let failure = diagnosis.progress.lastFailure
            fields.add("last_failure_seconds", age(failure?.at))
            fields.add("last_failure", failure.map { .string("\($0.code): \($0.message)") } ?? .nil)
            fields.add("watermark", statistics.watermark.number)
            fields.add("last_change", statistics.lastSequence.number)
        }

        private static func addRedis(_ redis: SyncDiagnosis.Redis, to fields: inout Report) {
            switch redis {
            case .notGiven: fields.add("redis", "not given")
            case .answers: fields.add("redis", "answers")
            case .fails(let error): fields.add("redis", error.message)
            }
            guard case .answers(let evicts, let offset) = redis else {
                fields.add("redis_evicts_records", .nil)
                fields.add("clock_offset_milliseconds", .nil)
                return
            }
            fields.add("redis_evicts_records", evicts.map { .bool($0) } ?? .nil)
            fields.add("clock_offset_milliseconds", .int(offset.wholeMilliseconds))
        }

        private static func reasons(_ list: SetAsideList, _ cache: Cache) async throws -> MessagePackValue {
            try await count(try list.list(in: cache)) { $0.reason.name }
        }

        /// How many there are of each reason, the most frequent first.
        private static func count<Element: Sendable>(
            _ list: ReviewedList<Element>, _ reason: (Element) -> String
        ) async throws -> MessagePackValue {
            var counts: [String: Int] = [:]
            let unreadable = try await list.forEach { elements in
                for element in elements { counts[reason(element), default: 0] += 1 }
                return true
            }
            if unreadable > 0 { counts["unreadable"] = unreadable }
            let ordered = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            return SyncReport.map(ordered.map { ($0.key, .int(Int64($0.value))) })
        }
    }
}
