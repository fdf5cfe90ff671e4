import ArgumentParser
import CacheKit
import Logging
import ServiceLifecycle
import Synchronization
import UnixSignals

extension Sync {
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
