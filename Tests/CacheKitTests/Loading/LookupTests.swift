import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

struct LookupTests {
    @Test(arguments: Setting.all)
    func `a look-up tells tier, age, remaining life and what the value cost`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(10))
        let loaded = try #require(
            try await numbers.lookupOrSet("k") {
                world.clock.advance(by: .milliseconds(250))
                return Loaded(1, ttl: .seconds(20))
            })
        #expect(loaded.source == .loader)
        #expect(loaded.loadTime == .milliseconds(250))
        #expect(loaded.remaining == .seconds(20))
        world.clock.advance(by: .seconds(5))
        let held = try #require(try await numbers.lookup("k"))
        #expect(held.source == .memory)
        #expect(held.age == .seconds(5))
        #expect(held.remaining == .seconds(15))
        #expect(!held.isStale)
        #expect(held.loadTime == (setting.mode == .native ? .milliseconds(250) : nil))
        guard setting.hasLocal || setting.hasRemote else { return }
        try world.forget("n:k")
        #expect(try await numbers.lookup("k")?.source == (setting.hasLocal ? .local : .remote))
    }

    @Test func `what another node wrote comes from the remote, with its age`() async throws {
        let world = try await World(.allTiers)
        let other = try await World(.allTiers)
        let node = try await Cache(
            local: Chosen(store: other.local), remote: Chosen(store: world.remote), sync: .writeBehind(),
            encryption: .secure(key: .keyring(World.keyring.get())),
            configuration: {
                var configuration = CacheConfiguration(); configuration.clock = world.clock; return configuration
            }())
        try await world.namespace("n", of: Int.self, ttl: .seconds(10)).set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(5))
        world.clock.advance(by: .seconds(4))
        let found = try #require(try await node.namespace("n", of: Int.self, ttl: .seconds(10)).lookup("k"))
        #expect(found.source == .remote)
        #expect(found.age == .seconds(4))
        #expect(found.remaining == .seconds(6))
    }

    @Test(arguments: Setting.all.filter { $0.hasRemote && !$0.hasLocal })
    func `without a file, the age of what another node wrote is known in native mode`(setting: Setting) async throws {
        let world = try await World(setting)
        let node = try await World(setting, beside: world)
        try await world.namespace("n", of: Int.self, ttl: .seconds(10)).set(1, for: "k")
        world.clock.advance(by: .seconds(4))
        let numbers = node.namespace("n", of: Int.self, ttl: .seconds(10))
        for seconds in 4...5 {
            let found = try #require(try await numbers.lookup("k"))
            #expect(found.age == (setting.mode == .native ? .seconds(seconds) : nil))
            #expect(found.remaining == .seconds(10 - seconds))
            world.clock.advance(by: .seconds(1))
        }
    }

    @Test func `a stale value is looked up while it is kept, and get does not give it`() async throws {
        let world = try await World(.memoryOnly)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(5)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(10))
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.lookup("k")?.isStale == true)
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.lookup("k") == nil)
    }
}
