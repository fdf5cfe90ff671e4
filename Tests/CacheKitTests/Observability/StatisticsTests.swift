import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct StatisticsTests {
    private struct Failure: Error {}

    @Test func `reads are counted by namespace and tier`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        let others = world.namespace("o", of: Int.self)
        try await numbers.set(1, for: "k")
        _ = try await numbers.get("k")
        try world.forget("n:k")
        _ = try await numbers.get("k")
        _ = try await numbers.get("missing")
        _ = try await numbers.get(["k", "missing"])
        _ = try await numbers.lookup("k")
        _ = try await others.getOrSet("l") { 2 }
        _ = try? await others.getOrSet("m") { throw Failure() }
        let statistics = world.cache.statistics().namespaces
        #expect(statistics["n"]?.memoryHits == 3)
        #expect(statistics["n"]?.localHits == 1)
        #expect(statistics["n"]?.misses == 2)
        #expect(statistics["n"]?.hitRatio == 4.0 / 6)
        #expect(statistics["o"]?.misses == 2)
        #expect(statistics["o"]?.loads == 1)
        #expect(statistics["o"]?.loadFailures == 1)
        #expect(statistics["n"] == numbers.statistics())
    }

    @Test func `what is no answer is counted as a miss, and that there is no value as a hit, also for many keys`()
        async throws
    {
        let world = try await World(.localOnly)
        var policy = LoadingPolicy()
        policy.negativeTTL = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(100), loading: policy)
        try await numbers.set(["a": 1, "b": 2])
        try await numbers.removeAll()
        #expect(try await numbers.getOrSet(["a", "b"]) { _ in ["a": 3] } == ["a": 3])
        #expect(numbers.statistics().memoryHits == 0)
        #expect(numbers.statistics().misses == 2)
        for _ in 0..<2 { #expect(try await numbers.getOrSet("c", loading: { .absent }) == nil) }
        #expect(numbers.statistics().localHits == 1)
        #expect(numbers.statistics().misses == 3)
    }

    @Test func `short loads add up, and a batch that fails fails for each of its keys`() async throws {
        let world = try await World(.memoryOnly)
        let counters = NamespaceCounters()
        for _ in 0..<10 { counters.loaded(Hash128(low: 1, high: 1), in: .microseconds(500)) }
        #expect(counters.statistics.loadTime == .milliseconds(5))
        let numbers = world.namespace("n", of: Int.self)
        _ = try? await numbers.getOrSet(["a", "b", "c"]) { _ in throw Failure() }
        #expect(numbers.statistics().loadFailures == 3)
        #expect(world.cache.statistics().loadFailures == 3)
    }

    @Test func `a remote that answers and refuses is not healthy`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        world.remote.setFollowing(.active)
        try await world.cache.running(drain: .zero) {
            #expect(await eventually { await world.cache.health().verdict == .healthy })
            for ask in [{ _ = try await numbers.get("k") }, { _ = try await numbers.contains("k") }] {
                world.remote.setOutage(.refused, on: .reads)
                #expect(await code { try await ask() } == .remoteAuthentication)
                world.remote.setOutage(nil)
                let health = await world.cache.health()
                #expect(health.remote.lastError?.code == .remoteAuthentication)
                #expect(health.verdict == .degraded)
                world.clock.advance(by: .seconds(60))
                #expect(await world.cache.health().verdict == .healthy)
            }
            for attempt in 1...3 {
                world.remote.failNext(.refused, on: .writes)
                #expect(await code { try await numbers.set(1, for: "k") } == .remoteAuthentication)
                // One may be a matter of the key.
                #expect(await world.cache.health().verdict == (attempt < 3 ? .degraded : .failing))
            }
            try await numbers.set(1, for: "k")
            #expect(await world.cache.health().verdict == .degraded)
        }
    }

    @Test func `who stops waiting says nothing of a tier`() async throws {
        let world = try await World(.remoteOnly)
        world.remote.setDelay(.seconds(10), on: .reads)
        let asking = Task { await world.cache.health() }
        #expect(await eventually { world.clock.sleeperCount == 1 })
        asking.cancel()
        _ = await asking.value
        world.remote.setDelay(nil, on: .reads)
        #expect(await world.cache.health().remote.lastError == nil)
    }

    @Test func `a load in the background is no read, and each caller of a load is one`() async throws {
        let world = try await World(.memoryOnly)
        var policy = LoadingPolicy()
        policy.eagerRefresh = 0.5
        policy.staleIfError = .seconds(100)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: policy)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(6))
        #expect(try await numbers.getOrSet("k") { 2 } == 1)
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(numbers.statistics().memoryHits == 1)
        #expect(numbers.statistics().misses == 0)
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.getOrSet("k") { throw Failure() } == 2)
        #expect(numbers.statistics().misses == 1, "what is stale is a miss")
        let gate = Gate()
        let callers = (0..<3).map { _ in
            Task {
                try await numbers.getOrSet("l") {
                    await gate.wait()
                    return 3
                }
            }
        }
        #expect(await eventually { world.cache.loads.waiterCount == 3 })
        gate.open()
        for caller in callers { #expect(try await caller.value == 3) }
        #expect(numbers.statistics().misses == 4)
    }

    @Test func `what could not be opened is counted by reason`() async throws {
        let world = try await World(.memoryOnly)
        try await world.cache.values(of: String.self).set("text", for: CacheKey("k"))
        #expect(await code { _ = try await world.cache.values(of: Int.self).get(CacheKey("k")) } == .decoding)
        let other = try await World(.remoteOnly)
        _ = try await other.remote.write([
            RemoteWrite(key: CacheKey("k"), action: .put([UInt8](repeating: 1, count: 60), timeToLive: .seconds(60)))
        ])
        #expect(await code { _ = try await other.cache.bytes.get(CacheKey("k")) } == .authenticationFailed)
        #expect(world.cache.statistics().openFailures == OpenFailureStatistics(decoding: 1))
        #expect(other.cache.statistics().openFailures == OpenFailureStatistics(authentication: 1))
    }
}

struct HealthTests {
    @Test func `all is well where every tier answers, and it says how fast`() async throws {
        let world = try await World(.allTiers)
        let run = Task { await world.cache.run() }
        #expect(await eventually { await world.cache.health().verdict == .healthy })
        let health = await world.cache.health()
        #expect(health.reason == "every tier answers")
        #expect(health.local.latency != nil && health.remote.latency != nil)
        #expect(health.local.lastError == nil)
        run.cancel()
        await run.value
    }

    @Test func `a remote that is away degrades a cache with a file, and fails one without`() async throws {
        for setting in [Setting.allTiers, .remoteOnly] {
            let world = try await World(setting)
            world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
            let health = await world.cache.health()
            #expect(health.verdict == (setting.hasLocal ? .degraded : .failing))
            #expect(health.reason.contains(setting.hasLocal ? "nobody runs" : "would keep writes"))
            #expect(health.remote.lastError?.code == .remoteUnavailable)
            #expect(health.remote.lastErrorAt == world.clock.now())
            world.remote.setOutage(nil)
            // What went wrong last is still told.
            #expect(await world.cache.health().remote.lastError?.code == .remoteUnavailable)
        }
    }

    @Test func `a file that fails is what fails the cache`() async throws {
        let world = try await World(.localOnly)
        world.local.setOutage(.diskFull, on: .writes)
        #expect(await code { try await world.namespace("n", of: Int.self).set(1, for: "k") } == .diskFull)
        #expect(await world.cache.health().local.lastError?.code == .diskFull)
        world.local.setOutage(.inputOutput, on: .reads)
        #expect(await world.cache.health().verdict == .failing)
    }

    @Test
    func `a cache whose writes fail is failing though it reads, until one succeeds or nobody has tried for a minute`()
        async throws
    {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        #expect(await world.cache.health().verdict == .healthy)
        world.local.setOutage(.diskFull, on: .writes)
        #expect(await code { try await numbers.set(2, for: "k") } == .diskFull)
        let health = await world.cache.health()
        #expect(health.verdict == .failing)
        #expect(health.writeError?.code == .diskFull)
        #expect(health.reason.hasPrefix("writes fail"))
        // A value that is too large says nothing of others.
        #expect(await code { try await numbers.set(2, for: "k", ttl: .zero) } == .invalidArgument)
        world.local.setOutage(nil)
        try await numbers.set(3, for: "k")
        #expect(await world.cache.health().verdict == .healthy)
        #expect(await code { try await numbers.set(2, for: "k", ttl: .zero) } == .invalidArgument)
        #expect(await world.cache.health().verdict == .healthy)
        // Nor does one of which the remote has something newer.
        world.local.setOutage(CacheError(.notApplied, "something newer"))
        #expect(await code { try await numbers.set(2, for: "k") } == .notApplied)
        world.local.setOutage(nil)
        #expect(await world.cache.health().verdict == .healthy)
        world.local.setOutage(.diskFull, on: .writes)
        #expect(await code { try await numbers.set(2, for: "k") } == .diskFull)
        world.clock.advance(by: .seconds(61))
        #expect(await world.cache.health().verdict == .healthy)
    }
}
