import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Synchronization
import Testing

@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct LockTests {
    private struct Failure: Error {}

    private func withCaches(_ body: (RedisServer, Cache, Cache, RedisStore) async throws -> Void) async throws {
        let server = try await RedisServer.start()
        let first = try await Cache(remote: .redis(server.unixURL), encryption: .plain)
        let second = try await Cache(remote: .redis(server.url), encryption: .plain)
        let raw = try makeStore(server.unixURL)
        try await body(server, first, second, raw)
        await first.shutdown()
        await second.shutdown()
        await raw.close()
    }

    private func isFree(_ raw: RedisStore) async throws -> Bool {
        try await raw.command(words("EXISTS", "k:lock")) == .integer(0)
    }

    @Test func `one holder at a time, and the lock is given back on return and on a throw`() async throws {
        try await withCaches { _, first, second, raw in
            let key = try CacheKey("k")
            let inside = Counter()
            let total = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        try await (index % 2 == 0 ? first : second).withLock(for: key) {
                            inside.add(1)
                            #expect(inside.value == 1)
                            try await Task.sleep(for: .milliseconds(5))
                            inside.add(-1)
                            total.add(1)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(total.value == 8)
            #expect(try await isFree(raw))
            #expect(try await first.withLock(for: key) { 7 } == 7)
            await #expect(throws: Failure.self) { try await first.withLock(for: key) { throw Failure() } }
            #expect(try await isFree(raw))
        }
    }

    @Test func `it is the lock of the sibling SDKs`() async throws {
        try await withCaches { _, first, _, raw in
            try await first.namespace("n", of: Int.self).withLock(for: "1") {
                guard case .bulkString(let token) = try await raw.command(words("GET", "n:1:lock")) else {
                    Issue.record("no lock")
                    return
                }
                #expect(token.count == 32)
                guard case .integer(let left) = try await raw.command(words("PTTL", "n:1:lock")) else { return }
                #expect(left > 20_000 && left <= 30_000)
            }
            // Another's is respected and not given back by us.
            _ = try await raw.command(words("SET", "k:lock", "another", "NX", "PX", "60000"))
            #expect(
                await code { try await first.withLock(for: try CacheKey("k"), wait: .milliseconds(150)) {} }
                    == .lockHeld)
            #expect(try await raw.command(words("GET", "k:lock")) == .bulkString(Array("another".utf8)))
        }
    }

    @Test func `a waiter gets the lock soon after it is free`() async throws {
        try await withCaches { _, first, _, raw in
            _ = try await raw.command(words("SET", "k:lock", "another", "NX", "PX", "300"))
            let began = ContinuousClock.now
            try await first.withLock(for: try CacheKey("k")) {}
            let waited = began.duration(to: .now)
            #expect(waited > .milliseconds(250) && waited < .seconds(5), "\(waited)")
        }
    }

    @Test func `cancelling gives the lock back, whether it is held, waited for or asked for`() async throws {
        try await withCaches { _, first, _, raw in
            let key = try CacheKey("k")
            let holds = Counter()
            let holder = Task {
                try await first.withLock(for: key) {
                    holds.add(1)
                    try await Task.sleep(for: .seconds(60))
                }
            }
            #expect(await eventually { holds.value == 1 })
            let waiter = Task { try await first.withLock(for: key) { Issue.record("held twice") } }
            try await Task.sleep(for: .milliseconds(20))
            waiter.cancel()
            await #expect(throws: CancellationError.self) { try await waiter.value }
            #expect(try await isFree(raw) == false)
            holder.cancel()
            await #expect(throws: CancellationError.self) { try await holder.value }
            #expect(try await isFree(raw))
            for round in 0..<50 {
                let task = Task { try await first.withLock(for: key) {} }
                for _ in 0..<round { await Task.yield() }
                task.cancel()
                _ = await task.result
                #expect(try await isFree(raw))
            }
        }
    }

    @Test func `the lease is renewed while the body runs`() async throws {
        try await withCaches { _, first, second, _ in
            let key = try CacheKey("k")
            let result = try await first.withLock(for: key, lease: .seconds(1)) {
                try await Task.sleep(for: .milliseconds(1_700))
                #expect(await code { try await second.withLock(for: key, wait: .zero) {} } == .lockHeld)
                return 1
            }
            #expect(result == 1)
        }
    }

    @Test func `a lock that another took is lost: the body is cancelled and the caller is told`() async throws {
        try await withCaches { _, first, _, raw in
            let key = try CacheKey("k")
            let began = ContinuousClock.now
            let lost = await code {
                try await first.withLock(for: key, lease: .seconds(1)) {
                    _ = try await raw.command(words("SET", "k:lock", "another"))
                    try await Task.sleep(for: .seconds(60))
                }
            }
            #expect(lost == .lockLost)
            #expect(began.duration(to: .now) < .seconds(30))
            #expect(try await raw.command(words("GET", "k:lock")) == .bulkString(Array("another".utf8)))
            _ = try await raw.command(words("DEL", "k:lock"))
            // Also when it is seen only at the end.
            let late = await code {
                try await first.withLock(for: key) { _ = try await raw.command(words("DEL", "k:lock")) }
            }
            #expect(late == .lockLost)
        }
    }

    @Test func `a lock whose server went away for a whole lease is lost`() async throws {
        try await withCaches { server, first, _, _ in
            let lost = await code {
                try await first.withLock(for: try CacheKey("k"), lease: .seconds(1)) {
                    server.kill9()
                    try await Task.sleep(for: .seconds(60))
                }
            }
            #expect(lost == .lockLost)
        }
    }

    @Test func `without a remote, or with one that is away, the error says so`() async throws {
        let key = try CacheKey("k")
        let offline = try await Cache(encryption: .plain)
        #expect(await code { try await offline.withLock(for: key) {} } == .invalidConfiguration)
        try await withCaches { server, first, _, _ in
            #expect(await code { try await first.withLock(for: key, lease: .zero) {} } == .invalidArgument)
            server.kill9()
            #expect(await code { try await first.withLock(for: key) {} } == .remoteUnavailable)
        }
    }
}

private final class Counter: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func add(_ amount: Int) { number.withLock { $0 += amount } }
}
