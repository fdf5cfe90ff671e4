import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Synchronization
import Testing

@Suite(
    .serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct LoadLockTests {
    private struct Failure: Error {}

    private var policy: LoadingPolicy {
        var policy = LoadingPolicy()
        policy.isOnePerFleet = true
        return policy
    }

    private func withCaches(_ body: (RedisServer, [Cache], RedisStore) async throws -> Void) async throws {
        let server = try await RedisServer.start()
        let caches = [
            try await Cache(remote: .redis(server.unixURL), encryption: .plain),
            try await Cache(remote: .redis(server.url), encryption: .plain),
        ]
        let raw = try makeStore(server.unixURL)
        try await body(server, caches, raw)
        for cache in caches { await cache.shutdown() }
        await raw.close()
    }

    private func load(
        _ cache: Cache, _ name: String, _ body: @escaping @Sendable () async throws -> Int
    ) async throws -> Int {
        let numbers = cache.values(of: Int.self)
        let key = try CacheKey(name)
        return try await cache.withLoadLocks(for: key, policy) {
            try await numbers.get(key)
        } load: {
            let value = try await body()
            try await numbers.set(value, for: key)
            return value
        }
    }

    private func isFree(_ name: String, _ raw: RedisStore) async -> Bool {
        (try? await raw.command(words("EXISTS", name + ":lock"))) == .integer(0)
    }

    @Test func `of all callers of all nodes one loads each key`() async throws {
        try await withCaches { _, caches, raw in
            for round in 0..<TestEffort.count(short: 10, long: 200) {
                let loads = Notes<Int>()
                let values = try await withThrowingTaskGroup(of: Int.self) { group in
                    for caller in 0..<20 {
                        group.addTask {
                            try await load(caches[caller % 2], "k\(round)") {
                                loads.add(caller)
                                try await Task.sleep(for: .milliseconds(caller % 5))
                                return caller
                            }
                        }
                    }
                    return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
                }
                #expect(loads.all.count == 1, "round \(round): \(loads.all)")
                #expect(values == Set(loads.all))
                #expect(await isFree("k\(round)", raw))
            }
        }
    }

    @Test func `it is the siblings' lock, given back when the loader throws, or is cancelled and deaf to it`()
        async throws
    {
        try await withCaches { _, caches, raw in
            await #expect(throws: Failure.self) {
                try await load(caches[0], "k") {
                    guard case .bulkString(let token) = try await raw.command(words("GET", "k:lock")),
                        case .integer(let left) = try await raw.command(words("PTTL", "k:lock"))
                    else { throw CacheError(.internalFault, "there is no lock") }
                    #expect(token.count == 32)
                    #expect(left > 20_000 && left <= 30_000)
                    throw Failure()
                }
            }
            #expect(await isFree("k", raw))
            let (begun, ends) = (Notes<Int>(), Notes<Int>())
            let task = Task {
                try await load(caches[0], "k") {
                    begun.add(1)
                    while ends.all.isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
                    return 1
                }
            }
            #expect(await eventually { !begun.all.isEmpty })
            task.cancel()
            #expect(await eventually { await isFree("k", raw) })
            let second = try await load(caches[1], "k") { 2 }
            #expect(second == 2)
            ends.add(1)
            _ = await task.result
        }
    }

    @Test func `a value that comes while another holds the lock is seen soon`() async throws {
        try await withCaches { _, caches, raw in
            // As a sibling SDK that loads.
            _ = try await raw.command(words("SET", "k:lock", "another", "NX", "PX", "60000"))
            let task = Task { try await load(caches[0], "k") { 1 } }
            try await caches[1].values(of: Int.self).set(9, for: CacheKey("k"))
            let stored = ContinuousClock.now
            #expect(try await task.value == 9)
            #expect(stored.duration(to: .now) < .seconds(2))
            #expect(try await raw.command(words("GET", "k:lock")) == .bulkString(Array("another".utf8)))
        }
    }

    @Test func `a lock whose holder was killed ends with its lease`() async throws {
        try await withCaches { _, caches, raw in
            _ = try await raw.command(words("SET", "k:lock", "another", "NX", "PX", "300"))
            let began = ContinuousClock.now
            #expect(try await load(caches[0], "k") { 1 } == 1)
            #expect(began.duration(to: .now) > .milliseconds(250))
            #expect(caches[0].statistics().loadLockTimeouts == 0)
        }
    }

    @Test func `without its server a load goes without its lock`() async throws {
        try await withCaches { server, caches, _ in
            for number in 1...2 {
                let value = try await caches[0].withLoadLocks(for: CacheKey("k"), policy) { () async throws -> Int? in
                    nil
                } load: {
                    server.kill9()
                    return number
                }
                #expect(value == number)
            }
            #expect(caches[0].statistics().loadLockFailures == 1)
        }
    }
}

/// What tasks noted, in order.
private final class Notes<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}
