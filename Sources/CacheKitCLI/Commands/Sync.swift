import ArgumentParser
import CacheKit
import Logging
import ServiceLifecycle
import UnixSignals

/// Carries the file's changes to Redis.
struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Carry the file's changes to Redis.", subcommands: [Status.self, Push.self, Run.self])

    /// Says what waits and whether it moves.
    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what waits for Redis and what failed.",
            discussion: "Works from the file alone; with Redis given it also says whether Redis answers.")

        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            try await withCache(try await store.open(requiringDatabase: true)) { cache in
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
            if statistics.backlog.changes == 0 { return "nothing waits" }
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
                "Exits with 6 or 7 when Redis can't be used, 5 when dead letters are left, 8 when another process pushes."
        )

        @Option(name: .long, help: "Give up after so long: seconds, or 500ms, 10m, 2h.") var deadline: TTLArgument?
        @OptionGroup var report: ReportOptions
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let status = try await withCache(try await store.open(requiringDatabase: true, requiringRedis: true)) {
                cache in
                // Redis that does not answer at all is told at once, not after the deadline.
                if case .unavailable(let error) = await cache.health().remote { throw error }
                return await cache.push(deadline: deadline?.duration ?? .seconds(3600))
            }
            guard let status else { return }
            var fields = Report()
            fields.add("applied", status.outcomes.applied)
            fields.add("expired", status.outcomes.expired)
            fields.add("dead_letters", status.outcomes.deadLettered)
            fields.add("pending_changes", status.backlog.changes)
            fields.print(json: report.json)
            if status.activity == .standby {
                throw CacheError(
                    .leaseHeld, "another process pushes this file's changes; see it with: cachekit sync status")
            }
            if status.outcomes.deadLettered > 0 { throw ExitStatus.deadLettersLeft }
            guard status.backlog.changes == 0 else {
                if let error = status.lastError { throw error }
                throw ExitStatus.partial
            }
        }
    }

    /// Sends changes as they come, until stopped.
    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send changes as they come, until SIGINT or SIGTERM; then send what is left.")

        @Option(name: .long, help: "How long sending what is left may take: seconds, or 500ms, 10m.") var drain:
            TTLArgument?
        @OptionGroup var store: StoreOptions

        func run() async throws {
            let cache = try await store.open(requiringDatabase: true, requiringRedis: true)
            var logger = Logger(label: "cachekit") { StreamLogHandler.standardError(label: $0) }
            logger.logLevel = .warning
            let service = CacheService(cache: cache, drain: drain?.duration ?? .seconds(10))
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [service], gracefulShutdownSignals: [.sigint, .sigterm], logger: logger))
            StandardError.write("cachekit: pushing changes as they come; stop with Ctrl-C")
            try await group.run()
        }
    }
}

/// The cache as a service: a graceful shutdown drains it.
private struct CacheService: Service {
    let cache: Cache
    let drain: Duration

    func run() async throws {
        try await cache.running(drain: drain) {
            try? await gracefulShutdown()
        }
    }
}
