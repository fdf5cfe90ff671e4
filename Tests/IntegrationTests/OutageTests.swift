import CacheKit
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Foundation
import Logging
import Synchronization
import Testing

/// Redis dies, or stands still, beside a cache in use: reads miss at once, writes stay in the file, and all converges.
///
/// This is where a breaker can fail to open although it works by itself: the read path turns "Redis is away" into a miss. The
/// Python SDK does so inside of what its breaker watches, so that its breaker sees only successes and never opens. Ours is
/// told by the transport, below the store, before anybody turns anything into a miss.
@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct OutageTests {
    enum Outage: CaseIterable {
        /// `kill -9`: connections are refused.
        case killed
        /// `SIGSTOP`: the system accepts connections, and nothing answers.
        case halted
    }

    private func eventually(_ what: String, _ holds: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await !holds() {
            try #require(ContinuousClock.now < deadline, "\(what) did not happen")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func isOpen(_ cache: Cache) async -> Bool {
        await cache.health().warnings.contains { $0.contains("circuit breaker") }
    }

    @Test(arguments: Outage.allCases)
    func `reads miss at once, writes are acknowledged, and everything converges`(_ outage: Outage) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let server = try await RedisServer.start()
        let attempts = AttemptCounter()
        var redis = RedisConfiguration(server.url)
        redis.commandTimeout = .milliseconds(400)
        redis.connectTimeout = .milliseconds(400)
        redis.maximumBackoff = .milliseconds(500)
        var configuration = CacheConfiguration()
        configuration.logger = Logger(label: "test", factory: { _ in AttemptHandler(counter: attempts) })
        let cache = try await Cache(
            local: .sqlite(path: folder.appending(path: "cache.db").path), remote: redis, sync: .writeBehind(),
            encryption: .secure(key: .key(try MasterKey(bytes: [UInt8](repeating: 7, count: 32)))),
            configuration: configuration)
        let numbers = cache.namespace("n", of: Int.self, ttl: .seconds(600))
        try await cache.running {
            try await numbers.set(0, for: "before")
            try await eventually("the first push") { try await cache.syncStatus()?.outcomes.applied == 1 }
            // Callers are under way when it happens.
            let load = Task {
                await withTaskGroup(of: Void.self) { group in
                    for task in 0..<32 {
                        group.addTask {
                            var round = 0
                            while !Task.isCancelled {
                                _ = try? await numbers.get("load-\(task)-\(round)")
                                round += 1
                                // A read that misses at once never waits, and would keep its thread.
                                await Task.yield()
                            }
                        }
                    }
                }
            }
            switch outage {
            case .killed: server.kill9()
            case .halted: server.pause()
            }
            try await eventually("the breaker") { await isOpen(cache) }
            load.cancel()
            await load.value

            let failures = cache.statistics().remoteFailures
            let connects = attempts.count
            var slow = 0
            var times: [Duration] = []
            let begin = ContinuousClock.now
            for number in 0..<400 {
                let start = ContinuousClock.now
                #expect(try await numbers.get("unknown-\(number)") == nil)
                let time = ContinuousClock.now - start
                times.append(time)
                // Only a caller that probes pays for finding out.
                if time > .milliseconds(100) { slow += 1 }
            }
            let span = ContinuousClock.now - begin
            times.sort()
            print("\(outage): 400 reads in \(span), median \(times[200]), p95 \(times[380]), \(slow) above 100 ms")
            #expect(times[200] < .milliseconds(2))
            #expect(slow <= 4)
            // A read whose callers were cancelled goes on without them, and may be counted here too.
            #expect(cache.statistics().remoteFailures >= failures + 400)
            #expect(attempts.count - connects <= 12, "as many attempts as waits have passed, not as many as reads")
            #expect(cache.statistics().loadFailures == 0)

            for number in 0..<200 { try await numbers.set(number, for: "during-\(number)") }
            try await numbers.delete("before")
            #expect(try await numbers.get("during-7") == 7)
            #expect(try await numbers.get("before") == nil)
            #expect(try await cache.syncStatus()?.backlog.changes == 201)
            #expect(await isOpen(cache))

            switch outage {
            case .killed: try await server.restart()
            case .halted: server.resume()
            }
            try await eventually("the push") { try await cache.syncStatus()?.backlog.changes == 0 }
            try await eventually("the end of the warning") { await !isOpen(cache) }
        }
        let other = try await Cache(
            remote: .redis(server.url),
            encryption: .secure(key: .key(try MasterKey(bytes: [UInt8](repeating: 7, count: 32)))))
        let theirs = other.namespace("n", of: Int.self)
        #expect(try await theirs.get((0..<200).map { "during-\($0)" }).count == 200)
        #expect(try await theirs.get("before") == nil)
        await other.shutdown()
    }
}

/// Counts failed attempts to connect, by the log.
private final class AttemptCounter: Sendable {
    private let number = Mutex(0)

    var count: Int { number.withLock { $0 } }

    func note(_ message: String) {
        if message.contains("no connection to Redis") { number.withLock { $0 += 1 } }
    }
}

private struct AttemptHandler: LogHandler {
    let counter: AttemptCounter
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.MetadataValue? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { counter.note("\(event.message)") }
}
