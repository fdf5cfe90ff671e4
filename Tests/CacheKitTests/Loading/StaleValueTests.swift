import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct StaleValueTests {
    private struct Failure: Error, Equatable {}

    private func world(
        _ setting: Setting, _ adjust: (inout LoadingPolicy) -> Void
    ) async throws -> (World, Namespace<Int>) {
        let world = try await World(setting)
        var loading = LoadingPolicy()
        adjust(&loading)
        return (
            world,
            world.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: setting.mode, loading: loading)
        )
    }

    @Test(arguments: Setting.all)
    func `a stale value is served at once while one load replaces it`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleWhileRevalidate = .seconds(60) }
        let loads = Counter()
        let gate = Gate()
        let load: @Sendable () async throws -> Int = {
            loads.add()
            await gate.wait()
            return 2
        }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.get("k") == nil)
        for _ in 0..<100 { #expect(try await numbers.getOrSet("k", load: load) == 1) }
        #expect(await eventually { gate.waiterCount == 1 })
        #expect(world.cache.statistics().staleServed == 100)
        gate.open()
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(try await numbers.getOrSet("k", load: load) == 2)
        #expect(try await numbers.get("k") == 2)
        #expect(loads.value == 1)
    }

    @Test(arguments: Setting.withLocal)
    func `a stale value outlives memory in the file`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleWhileRevalidate = .seconds(60) }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        try world.forget("n:k")
        let lookup = try #require(try await numbers.lookupOrSet("k") { Loaded(2) })
        #expect(lookup.value == 1)
        #expect(lookup.isStale)
        #expect(lookup.source == .local)
        #expect(lookup.remaining == .zero)
    }

    @Test(arguments: Setting.all)
    func `a stale value is served and marked when the loader fails, for its time and no longer`(
        setting: Setting
    ) async throws {
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        let lookup = try #require(try await numbers.lookupOrSet("k") { throw Failure() })
        #expect(lookup.value == 1)
        #expect(lookup.isStale)
        #expect(world.cache.statistics().loadFailures == 1)
        // A moment after a failure nobody tries again.
        #expect(try await numbers.getOrSet("k") { throw Failure() } == 1)
        #expect(world.cache.statistics().loadFailures == 1)
        world.clock.advance(by: .seconds(2))
        #expect(try await numbers.getOrSet("k") { throw Failure() } == 1)
        #expect(world.cache.statistics().loadFailures == 2)
        world.clock.advance(by: .seconds(60))
        await #expect(throws: Failure()) { try await numbers.getOrSet("k") { throw Failure() } }
    }

    @Test(arguments: Setting.all)
    func `a failing loader that comes back replaces the stale value`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.getOrSet("k") { throw Failure() } == 1)
        world.clock.advance(by: .seconds(2))
        #expect(try await numbers.getOrSet("k") { 2 } == 2)
        #expect(try await numbers.get("k") == 2)
    }

    @Test(arguments: Setting.all.filter { !$0.hasLocal || $0.hasRemote }, [false, true])
    func `a value that its loader says is no more is not served for its windows`(
        setting: Setting, isBatch: Bool
    ) async throws {
        let (world, numbers) = try await world(setting) {
            $0.staleWhileRevalidate = .seconds(20)
            $0.staleIfError = .seconds(60)
        }
        let loads = Counter()
        let load: @Sendable (_ fails: Bool) async throws -> Int? = { fails in
            if isBatch {
                return try await numbers.getOrSet(["k"]) { _ in
                    loads.add()
                    if fails { throw Failure() }
                    return [:]
                }["k"]
            }
            return try await numbers.getOrSet("k") {
                loads.add()
                if fails { throw Failure() }
                return Loaded<Int>.absent
            }
        }
        try await numbers.set(1, for: "k")
        if setting.hasLocal, setting.hasRemote { _ = await world.cache.push(deadline: .seconds(5)) }
        world.clock.advance(by: .seconds(11))
        #expect(try await load(false) == 1)
        #expect(await eventually { world.cache.background.count == 0 })
        world.clock.advance(by: .milliseconds(1))
        #expect(loads.value == 1)
        await #expect(throws: Failure()) { try await load(true) }
        // Nor is it remembered that there is none.
        #expect(loads.value == 2)
        #expect(try await load(false) == nil)
        #expect(loads.value == 3)
        // What is written afterwards is there.
        try await numbers.set(2, for: "k")
        #expect(try await load(false) == 2)
    }

    @Test(arguments: [Setting.allTiers, .localOnly])
    func `a value that a remote has not got is not deleted because its loader has none`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.getOrSet("k") { .absent } == nil)
        if setting.hasRemote { #expect(try await world.cache.syncStatus()?.backlog.changes == 1) }
        #expect(try await world.local.read([numbers.key("k")])[0]?.value != nil)
    }

    @Test(arguments: Setting.all)
    func `a value that another process writes while its loader finds none is kept`(setting: Setting) async throws {
        guard setting.hasLocal else { return }
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        let other = try await World(setting, beside: world)
        let theirs = other.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: setting.mode)
        let answer = try await numbers.getOrSet("k") {
            try await theirs.set(2, for: "k")
            return .absent
        }
        #expect(answer == nil)
        #expect(try await theirs.get("k") == 2)
        #expect(try await numbers.get("k") == 2)
    }

    @Test(arguments: Setting.all)
    func `a deleted value is not served stale`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        try await numbers.set(1, for: "k")
        try await numbers.delete("k")
        world.clock.advance(by: .seconds(11))
        await #expect(throws: Failure()) { try await numbers.getOrSet("k") { throw Failure() } }
        #expect(try await numbers.lookup("k") == nil)
    }

    @Test(arguments: Setting.withRemote)
    func `the remote is told a life without the stale window`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.staleIfError = .seconds(60) }
        try await numbers.set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(5))
        let there = try #require(try await world.remote.read([CacheKey("n:k")])[0])
        #expect(there.remaining == .seconds(10))
    }

    @Test(arguments: Setting.all)
    func `a value is loaded before its life ends, in the background and once`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) { $0.eagerRefresh = 0.5 }
        let loads = Counter()
        let load: @Sendable () async throws -> Int = {
            loads.add()
            return 1 + loads.value
        }
        #expect(try await numbers.getOrSet("k", load: load) == 2)
        world.clock.advance(by: .seconds(3))
        #expect(try await numbers.getOrSet("k", load: load) == 2)
        #expect(world.cache.background.count == 0)
        world.clock.advance(by: .seconds(3))
        #expect(try await numbers.getOrSet("k", load: load) == 2)
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(try await numbers.getOrSet("k", load: load) == 3)
        #expect(loads.value == 2)
    }

    @Test(arguments: [false, true])
    func `a refresh that has just failed is not tried again for a while`(isBatch: Bool) async throws {
        let (world, numbers) = try await world(.memoryOnly) {
            $0.eagerRefresh = 0.5
            $0.retryPause = .seconds(2)
        }
        let loads = Counter()
        let read: @Sendable () async throws -> Int? = {
            if isBatch {
                return try await numbers.getOrSet(["k"]) { _ in
                    loads.add()
                    throw Failure()
                }["k"]
            }
            return try await numbers.getOrSet("k") {
                loads.add()
                throw Failure()
            }
        }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(6))
        for _ in 0..<3 {
            #expect(try await read() == 1)
            #expect(await eventually { world.cache.background.count == 0 })
        }
        #expect(loads.value == 1)
        world.clock.advance(by: .seconds(2))
        #expect(try await read() == 1)
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(loads.value == 2)
    }

    @Test func `loads get half of the time for shutting down, and what is pending the rest`() async throws {
        let (world, numbers) = try await world(.allTiers) { $0.staleWhileRevalidate = .seconds(60) }
        try await numbers.set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(5))
        world.clock.advance(by: .seconds(11))
        let gate = Gate()
        _ = try await numbers.getOrSet("k") {
            await gate.wait()
            return 2
        }
        #expect(await eventually { gate.waiterCount == 1 })
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        try await numbers.set(1, for: "other")
        let began = world.clock.uptime()
        let closing = Task { await world.cache.shutdown(deadline: .seconds(10)) }
        let watch = Counter()
        let watching = Task {
            await closing.value
            watch.add()
        }
        _ = await eventually {
            if world.clock.sleeperCount > 0 { world.clock.advance(by: .milliseconds(50)) }
            return watch.value == 1
        }
        let took = world.clock.uptime() - began
        #expect(took >= .seconds(5) && took <= .milliseconds(10_500), "\(took)")
        gate.open()
        await watching.value
    }

    @Test func `shutting down waits for loads in the background, and stores what they give`() async throws {
        let (world, numbers) = try await world(.localOnly) { $0.staleWhileRevalidate = .seconds(60) }
        let gate = Gate()
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        _ = try await numbers.getOrSet("k") {
            await gate.wait()
            return 2
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let closing = Task { await world.cache.shutdown(deadline: .seconds(3600)) }
        gate.open()
        await closing.value
        #expect(world.cache.statistics().writes == 2)
    }

    @Test(arguments: [false, true])
    func `the soft deadline is kept though no more loads may run in the background`(isBatch: Bool) async throws {
        let world = try await World(.memoryOnly) { $0.maximumBackgroundLoads = 1 }
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        loading.softDeadline = .seconds(1)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(["a": 1, "b": 1])
        world.clock.advance(by: .seconds(11))
        let gate = Gate()
        let callers = ["a", "b"].map { key in
            Task {
                if isBatch {
                    return try await numbers.getOrSet([key]) { keys in
                        await gate.wait()
                        return Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
                    }[key]
                }
                return try await numbers.getOrSet(key) {
                    await gate.wait()
                    return 2
                }
            }
        }
        // Each has a soft deadline, and each load a hard one.
        try #require(await eventually { gate.waiterCount == 2 && world.clock.sleeperCount == 4 })
        world.clock.advance(by: .seconds(1))
        let ended = Counter()
        for caller in callers {
            Task {
                if try await caller.value == 1 { ended.add() }
            }
        }
        #expect(await eventually { ended.value == 2 })
        #expect(world.cache.background.count == 1)
        gate.open()
        #expect(await eventually { world.cache.background.count == 0 && world.cache.loads.count == 0 })
    }

    @Test func `loads in the background are bounded`() async throws {
        let world = try await World(.memoryOnly) { $0.maximumBackgroundLoads = 2 }
        var loading = LoadingPolicy()
        loading.staleWhileRevalidate = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        let gate = Gate()
        for key in 0..<5 { try await numbers.set(1, for: "\(key)") }
        world.clock.advance(by: .seconds(11))
        for key in 0..<5 {
            _ = try await numbers.getOrSet("\(key)") {
                await gate.wait()
                return 2
            }
        }
        #expect(await eventually { gate.waiterCount == 2 })
        #expect(world.cache.background.count == 2)
        gate.open()
        #expect(await eventually { world.cache.background.count == 0 })
    }
}
