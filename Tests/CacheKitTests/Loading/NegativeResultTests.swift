import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct NegativeResultTests {
    private func world(_ setting: Setting, ttl: Duration? = .seconds(5)) async throws -> (World, Namespace<Int>) {
        let world = try await World(setting)
        var loading = LoadingPolicy()
        loading.negativeTTL = ttl
        return (
            world,
            world.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: setting.mode, loading: loading)
        )
    }

    @Test(arguments: Setting.all)
    func `that there is no value is remembered for its own time`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        let loads = Counter()
        let load: @Sendable () async throws -> Loaded<Int> = {
            loads.add()
            return .absent
        }
        for _ in 0..<3 { #expect(try await numbers.getOrSet("k", loading: load) == nil) }
        #expect(loads.value == 1)
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.get(["k"]) == [:])
        #expect(try await numbers.contains("k") == false)
        #expect(try await numbers.lookup("k") == nil)
        if setting.hasLocal {
            try world.forget("n:k")
            #expect(try await numbers.contains("k") == false)
            #expect(try await numbers.getOrSet("k", loading: load) == nil)
            #expect(loads.value == 1)
        }
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.getOrSet("k", loading: load) == nil)
        #expect(loads.value == 2)
    }

    @Test func `who can't be told that there is none loads where another's loader has found none`() async throws {
        let (world, numbers) = try await world(.memoryOnly)
        let (begun, gate) = (Gate(), Gate())
        async let absent = numbers.getOrSet("k") {
            begun.open()
            await gate.wait()
            return Loaded<Int>.absent
        }
        await begun.wait()
        async let value = numbers.getOrSet("k") { 2 }
        #expect(await eventually { world.cache.loads.waiterCount == 2 })
        gate.open()
        #expect(try await absent == nil)
        #expect(try await value == 2)
    }

    @Test func `with a time of its own it is remembered without any in the policy, whatever stood there`() async throws
    {
        let (world, numbers) = try await world(.localOnly, ttl: nil)
        let loads = Counter()
        try await numbers.set(1, for: "k")
        try await numbers.delete("k")
        for _ in 0..<3 {
            let answer = try await numbers.getOrSet("k") {
                loads.add()
                return Loaded<Int>(nil, ttl: .seconds(5))
            }
            #expect(answer == nil)
        }
        #expect(loads.value == 1)
        #expect(world.cache.loads.count == 0)
    }

    @Test func `it takes the place of a value that is loaded anew before its life ends`() async throws {
        let world = try await World(.allTiers)
        world.remote.setFollowing(.active)
        var loading = LoadingPolicy()
        loading.eagerRefresh = 0.5
        loading.negativeTTL = .seconds(100)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await world.cache.running(drain: .zero) {
            try #require(await eventually { world.remote.tell(.keys([])) })
            // What was in the file before is checked once.
            #expect(try await numbers.get("other") == nil)
            try await numbers.set(1, for: "k")
            #expect(await eventually { (try? await world.cache.syncStatus()?.backlog.changes) == 0 })
            #expect(try await numbers.get("k") == 1)
            world.clock.advance(by: .seconds(6))
            #expect(try await numbers.getOrSet("k") { .absent } == 1)
            #expect(await eventually { world.cache.background.count == 0 })
            #expect(try await numbers.getOrSet("k") { Loaded(2) } == nil)
        }
    }

    @Test func `it takes the place of a delete that the remote has`() async throws {
        let (world, numbers) = try await world(.allTiers)
        try await numbers.set(1, for: "k")
        try await numbers.delete("k")
        _ = await world.cache.push(deadline: .seconds(60))
        #expect(try await numbers.getOrSet("k") { .absent } == nil)
        #expect(try await world.local.read([numbers.key("k")])[0]?.isNegative == true)
    }

    @Test(arguments: Setting.all)
    func `a write takes the place of a negative result`(setting: Setting) async throws {
        let (_, numbers) = try await world(setting)
        #expect(try await numbers.getOrSet("k") { .absent } == nil)
        try await numbers.set(1, for: "k")
        #expect(try await numbers.get("k") == 1)
        try await numbers.delete("k")
        #expect(try await numbers.getOrSet("k") { Loaded(2) } == 2)
    }

    @Test(arguments: Setting.all, [false, true])
    func `it is remembered after a delete that stands in the file, and after a removal`(
        setting: Setting, removes: Bool
    ) async throws {
        let (world, numbers) = try await world(setting)
        if setting.hasLocal { world.remote.setOutage(CacheError(.remoteUnavailable, "away")) }
        let loads = Counter()
        let load: @Sendable () async throws -> Loaded<Int> = {
            loads.add()
            return .absent
        }
        try await numbers.set(1, for: "k")
        if removes, setting.mode == .native { try await numbers.removeAll() } else { try await numbers.delete("k") }
        for _ in 0..<3 { #expect(try await numbers.getOrSet("k", loading: load) == nil) }
        #expect(loads.value == 1)
        #expect(try await numbers.get("k") == nil)
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.getOrSet("k", loading: load) == nil)
        #expect(loads.value == 2)
        try await numbers.set(2, for: "k")
        #expect(try await numbers.get("k") == 2)
    }

    @Test(arguments: [Setting.localOnly, .allTiers], [false, true])
    func `a value that another process writes while the loader runs is not hidden`(
        setting: Setting, isDeleted: Bool
    ) async throws {
        let (world, numbers) = try await world(setting)
        if isDeleted { try await numbers.delete("k") }
        let other = try await World(setting, beside: world)
        let theirs = other.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: setting.mode)
        let answer = try await numbers.getOrSet("k") {
            try await theirs.set(1, for: "k")
            return .absent
        }
        #expect(answer == nil)
        #expect(try await numbers.get("k") == 1)
    }

    @Test(arguments: Setting.all)
    func `a value that is written while the loader runs is not hidden`(setting: Setting) async throws {
        let (_, numbers) = try await world(setting)
        let gate = Gate()
        let caller = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return Loaded<Int>.absent
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        try await numbers.set(1, for: "k")
        gate.open()
        #expect(try await caller.value == nil)
        #expect(try await numbers.get("k") == 1)
    }

    @Test(arguments: Setting.all)
    func `a caller who needs a value loads in spite of a negative result`(setting: Setting) async throws {
        let (_, numbers) = try await world(setting)
        #expect(try await numbers.getOrSet("k") { .absent } == nil)
        #expect(try await numbers.getOrSet("k") { 1 } == 1)
        #expect(try await numbers.get("k") == 1)
    }

    @Test(arguments: Setting.withRemote)
    func `a remote is not told of negative results`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        #expect(try await numbers.getOrSet("k") { .absent } == nil)
        _ = await world.cache.push(deadline: .seconds(5))
        #expect(try await world.remote.read([CacheKey("n:k")])[0] == nil)
        #expect(try await world.cache.syncStatus()?.backlog.changes ?? 0 == 0)
    }

    @Test func `the time of a batch's values is not that of what it does not find`() async throws {
        let world = try await World(.memoryOnly)
        var loading = LoadingPolicy()
        loading.onFailure = .loadThemselves
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        let (gate, loads) = (Gate(), Counter())
        let fails = Task {
            try await numbers.getOrSet(["k"]) { _ in
                await gate.wait()
                throw CacheError(.invalidArgument, "no")
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        // Waits for that one, and then loads by itself.
        let finds = Task { try await numbers.getOrSet(["k"], ttl: .seconds(3600)) { _ in [:] } }
        #expect(await eventually { world.cache.loads.waiterCount == 1 })
        gate.open()
        _ = await fails.result
        #expect(try await finds.value == [:])
        let value = try await numbers.getOrSet("k") {
            loads.add()
            return Loaded<Int>.absent
        }
        #expect(value == nil)
        #expect(loads.value == 1)
    }

    @Test(arguments: [nil, Duration.seconds(30)])
    func `an old value does not stay in memory because its neighbours are written`(ttl: Duration?) async throws {
        let world = try await World(.memoryOnly)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        loading.negativeTTL = ttl
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        let answer = try await numbers.getOrSet("k") {
            // Of each stripe of each shard.
            for number in 0..<5_000 { try await numbers.set(number, for: "other\(number)") }
            return Loaded<Int>.absent
        }
        #expect(answer == nil)
        func again() async throws -> Int? {
            try await numbers.getOrSet("k") { () async throws -> Loaded<Int> in throw CancellationError() }
        }
        if ttl == nil {
            await #expect(throws: CancellationError.self) { try await again() }
        } else {
            #expect(try await again() == nil)
        }
    }

    @Test(arguments: [false, true])
    func `what was set or touched while its loader found nothing stays, though the bytes be the same`(
        touches: Bool
    ) async throws {
        let world = try await World(Setting(isSecure: false, mode: .interop))
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: .interop, loading: loading)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        _ = try await numbers.getOrSet("k") {
            try await numbers.set(1, for: "k")
            if touches { try await numbers.touch("k") }
            return Loaded<Int>.absent
        }
        #expect(try await numbers.get("k") == 1)
    }

    @Test(arguments: Setting.all)
    func `without a time for it nothing is remembered`(setting: Setting) async throws {
        let (_, numbers) = try await world(setting, ttl: nil)
        let loads = Counter()
        for _ in 0..<2 {
            let value = try await numbers.getOrSet("k") {
                loads.add()
                return Loaded<Int>.absent
            }
            #expect(value == nil)
        }
        #expect(loads.value == 2)
    }
}
