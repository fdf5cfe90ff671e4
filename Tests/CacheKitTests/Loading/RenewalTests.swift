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
