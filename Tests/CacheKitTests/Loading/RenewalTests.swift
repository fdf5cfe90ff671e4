import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct RenewalTests {
    private func world(
        _ setting: Setting, ttl: Duration = .seconds(10), _ adjust: (inout LoadingPolicy) -> Void = { _ in }
    ) async throws -> (World, Namespace<Int>) {
        let world = try await World(setting)
        var loading = LoadingPolicy()
        adjust(&loading)
        return (world, world.cache.namespace("n", of: Int.self, ttl: ttl, mode: setting.mode, loading: loading))
    }

    @Test(arguments: Setting.all)
    func `a touched value lives anew`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(9))
        #expect(try await numbers.touch("k"))
        world.clock.advance(by: .seconds(9))
        #expect(try await numbers.get("k") == 1)
        #expect(try await numbers.touch("k", ttl: .seconds(1)))
        world.clock.advance(by: .seconds(1))
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.touch("k") == false)
        #expect(try await numbers.touch("never there") == false)
        #expect(world.cache.statistics().renewals == 2)
    }

    @Test(arguments: Setting.withRemote)
    func `the remote is told of a touched life`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(5))
        try await numbers.touch("k", ttl: .seconds(100))
        _ = await world.cache.push(deadline: .seconds(5))
        #expect(try await world.remote.read([CacheKey("n:k")])[0]?.remaining == .seconds(100))
    }

    @Test(arguments: Setting.withLocal)
    func `touching undoes no write that another process made meanwhile`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(1, for: "k")
        let other = try await World(setting, beside: world)
        try await other.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: setting.mode).set(2, for: "k")
        // Memory here still has the old value, and nothing has told it.
        #expect(await code { try await numbers.touch("k") } == .storeBusy)
        try world.forget("n:k")
        #expect(try await numbers.touch("k"))
        #expect(try await numbers.get("k") == 2)
    }

    @Test(arguments: Setting.all)
    func `a sliding value lives as long as it is read, and no write is made while more than half is left`(
        setting: Setting
    ) async throws {
        let (world, numbers) = try await world(setting) { $0.isSliding = true }
        try await numbers.set(1, for: "k")
        for _ in 0..<10 {
            world.clock.advance(by: .seconds(6))
            #expect(try await numbers.get("k") == 1)
            #expect(await eventually { world.cache.background.count == 0 })
        }
        #expect(world.cache.statistics().renewals == 10)
        world.clock.advance(by: .seconds(4))
        #expect(try await numbers.get("k") == 1)
        #expect(world.cache.background.count == 0)
        world.clock.advance(by: .seconds(6))
        #expect(try await numbers.get("k") == nil)
    }

    @Test(arguments: Setting.all.filter { $0.mode == .native })
    func `a sliding value ends at its limit however often it is read or touched`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting) {
            $0.isSliding = true
            $0.slidingLimit = .seconds(20)
        }
        try await numbers.set(1, for: "k")
        for _ in 0..<3 {
            world.clock.advance(by: .seconds(6))
            #expect(try await numbers.get("k") == 1)
            #expect(await eventually { world.cache.background.count == 0 })
        }
        #expect(try await numbers.touch("k", ttl: .seconds(100)))
        world.clock.advance(by: .seconds(1))
        #expect(try await numbers.get("k") == 1)
        world.clock.advance(by: .seconds(1))
        #expect(try await numbers.get("k") == nil)
    }

    @Test(arguments: [false, true])
    func `the limit of a loaded value counts from when it is stored`(isBatch: Bool) async throws {
        let (world, numbers) = try await world(.localOnly) {
            $0.isSliding = true
            $0.slidingLimit = .seconds(8)
        }
        if isBatch {
            _ = try await numbers.getOrSet(["k"]) { _ in
                world.clock.advance(by: .seconds(7))
                return ["k": 1]
            }
        } else {
            _ = try await numbers.getOrSet("k") {
                world.clock.advance(by: .seconds(7))
                return 1
            }
        }
        world.clock.advance(by: .seconds(7))
        #expect(try await numbers.get("k") == 1)
        world.clock.advance(by: .seconds(1))
        #expect(try await numbers.get("k") == nil)
    }

    @Test func `a limit needs native mode`() async throws {
        let world = try await World(.memoryOnly)
        var loading = LoadingPolicy()
        loading.isSliding = true
        loading.slidingLimit = .seconds(20)
        let numbers = world.cache.namespace("n", of: Int.self, mode: .interop, loading: loading)
        #expect(await code { _ = try await numbers.get("k") } == .invalidConfiguration)
    }

    @Test func `lives are shortened at random by no more than their share`() async throws {
        let world = try await World(.memoryOnly) { $0.jitter = { 0.5 } }
        var loading = LoadingPolicy()
        loading.ttlJitter = 0.2
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(1, for: "k")
        #expect(try await numbers.lookup("k")?.remaining == .seconds(9))
        #expect(try await numbers.getOrSet("l") { Loaded(1, ttl: .seconds(100)) } == 1)
        #expect(try await numbers.lookup("l")?.remaining == .seconds(90))
    }

    /// A node beside the one of `world`, with Redis and no file.
    private func node(
        beside world: World, _ adjust: (inout LoadingPolicy) -> Void
    ) async throws -> (Cache, Namespace<Int>) {
        let setting = Setting(hasRemote: true, isSecure: world.setting.isSecure, mode: world.setting.mode)
        let node = try await World(setting, beside: world)
        var loading = LoadingPolicy()
        adjust(&loading)
        return (
            node.cache,
            node.cache.namespace("n", of: Int.self, ttl: .seconds(600), mode: setting.mode, loading: loading)
        )
    }

    @Test(arguments: Setting.withRemote)
    func `what another node gave a shorter life is not loaded anew until most of that is over`(
        setting: Setting
    ) async throws {
        let (world, numbers) = try await world(setting, ttl: .seconds(600))
        try await numbers.set(1, for: "k", ttl: .seconds(10))
        _ = await world.cache.push(deadline: .seconds(5))
        let (cache, there) = try await node(beside: world) { $0.eagerRefresh = 0.8 }
        let loads = Counter()
        func load() async throws -> Int? {
            let value = try await there.getOrSet("k") {
                loads.add()
                return Loaded(2, ttl: .seconds(10))
            }
            #expect(await eventually { cache.background.count == 0 })
            return value
        }
        for _ in 0..<3 {
            world.clock.advance(by: .seconds(2))
            #expect(try await load() == 1)
        }
        #expect(loads.value == 0)
        world.clock.advance(by: .milliseconds(3_900))
        #expect(try await load() == 1)
        #expect(try await load() == 2)
        #expect(loads.value == 1)
    }

    @Test(arguments: Setting.withRemote.filter { $0.mode == .native })
    func `what another node gave a life of its own slides by that`(setting: Setting) async throws {
        let (world, numbers) = try await world(setting, ttl: .seconds(600)) { $0.isSliding = true }
        try await numbers.set(1, for: "k", ttl: .seconds(10))
        _ = await world.cache.push(deadline: .seconds(5))
        let (cache, there) = try await node(beside: world) { $0.isSliding = true }
        for seconds in [4, 0] {
            world.clock.advance(by: .seconds(seconds))
            #expect(try await there.get("k") == 1)
            #expect(await eventually { cache.background.count == 0 })
        }
        #expect(cache.statistics().renewals == 0)
        world.clock.advance(by: .seconds(2))
        #expect(try await there.get("k") == 1)
        #expect(await eventually { cache.statistics().renewals == 1 })
        #expect(try await there.lookup("k")?.remaining == .seconds(10))
    }

    @Test func `what somebody deleted in the remote is not renewed, and is no longer served`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10))
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.touch("k"))
        _ = try await world.remote.write([RemoteWrite(key: numbers.key("k"), action: .delete)])
        #expect(try await numbers.get("k") == 1, "nobody has told")
        #expect(try await !numbers.touch("k"))
        #expect(try await numbers.get("k") == nil)
    }
}
