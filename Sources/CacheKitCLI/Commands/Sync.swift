import ArgumentParser
import CacheKit
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

/// Carries the file's changes to Redis.
struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry the file's changes to Redis.", subcommands: [Status.self, Push.self, Run.self, Replay.self])

    /// Says what waits and whether it moves.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what waits for Redis and what failed.",
            discussion: "Works from the file alone; with Redis given it also says whether Redis answers.")

        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await withCache(try await store.open(requiringDatabase: true, creatingDatabase: false)) { cache in
                guard let statistics = try await cache.localStatistics() else { return }
                var fields = Report()
                fields.add("pending_changes", statistics.backlog.changes)
                fields.add("pending_bytes", statistics.backlog.bytes)
                let age = statistics.backlog.oldest.map {
                    $0.duration(to: SystemClock().now()).wholeMilliseconds / 1000
                }
                fields.add("oldest_pending_seconds", age.map { .int(max($0, 0)) } ?? .nil)
                fields.add("watermark", statistics.watermark.number)
                fields.add("last_change", statistics.lastSequence.number)
                fields.add("dead_letters", statistics.deadLetters)
                fields.add("parked", statistics.parked)
                fields.add("conflicts", statistics.conflicts)
                var isReachable: Bool?
                switch await cache.health().remote {
                case .absent: fields.add("redis", "not given")
                case .available:
                    fields.add("redis", "answers")
                    isReachable = true
                case .unavailable(let error):
                    fields.add("redis", error.message)
                    isReachable = false
                }
                fields.add("next_step", Self.nextStep(statistics, isReachable))
                fields.print(json: report.json)
            }
        }

        private static func nextStep(_ statistics: LocalStoreStatistics, _ isReachable: Bool?) -> String {
            if statistics.backlog.changes == 0 {
                return statistics.deadLetters + statistics.parked == 0
                    ? "nothing waits" : "nothing waits; Redis has not got what was set aside"
            }
            switch isReachable {
            case nil: return "give --redis and run: cachekit sync push"
            case true?: return "run: cachekit sync push"
            case false?: return "bring Redis back, or mend the address or password; changes are safe in the file"
            }
        }
    }

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
                if case .unavailable(let error) = await cache.health().remote { throw error }
                guard let status = await cache.push(deadline: deadline?.duration ?? .seconds(3600)) else { return nil }
                return try await PushEnd(status, of: cache)
            }
            guard let end else { return }
            var fields = Report()
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

    /// Sends changes as they come, until stopped.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send changes as they come, until SIGINT or SIGTERM; then send what is left.",
            discussion: """
                An outage of Redis is told on standard error when it begins and when it ends, and once a minute while \
                nothing moves. Once stopped it exits with 0 when all is sent, 3 while changes are left, 5 when dead letters \
                or parked changes are, 4 when changes lost against what Redis held, 6 or 7 when Redis can't be used, 8 when another process pushes.
                """)

        @Option(name: .long, help: "How long sending what is left may take: seconds, or 500ms, 10m.") var drain:
            TTLArgument?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let cache = try await store.open(
                requiringDatabase: true, requiringRedis: true, logger: StandardErrorLog.logger())
            let service = CacheService(cache: cache, drain: drain?.duration ?? .seconds(10))
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [service], gracefulShutdownSignals: [.sigint, .sigterm],
                    logger: StandardErrorLog.logger(.warning)))
            StandardError.write("cachekit: pushing changes as they come; stop with Ctrl-C")
            try await group.run()
            try service.end?.check()
        }
    }
}

/// The cache as a service: a graceful shutdown drains it.
private final class CacheService: Service {
    private let cache: Cache
    private let drain: Duration
    private let ended = Mutex<PushEnd?>(nil)

    init(cache: Cache, drain: Duration) {
        self.cache = cache
        self.drain = drain
    }

    /// How far it came; `nil` until it has ended.
    var end: PushEnd? { ended.withLock { $0 } }

    func run() async throws {
        try await cache.running(drain: .zero) {
            // While nothing waits, nothing else would find out that Redis is away or refuses us.
            async let probe = cache.health()
            try? await gracefulShutdown()
            _ = await probe
            guard let status = await cache.push(deadline: drain) else { return }
            let end = try await PushEnd(status, of: cache)
            ended.withLock { $0 = end }
        }
    }
}
