import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// How long a value from the remote is kept above it.
struct RemainingLifeTests {
    static let settings = [Setting.remoteOnly, .allTiers]

    private func document(_ number: Int) throws -> [UInt8] { try MessagePackEncoder(canonical: true).encode(number) }

    @Test(arguments: settings)
    func `a value lives here for what remains of its life there, however often a tier is filled`(
        _ setting: Setting
    ) async throws {
        var setting = setting
        (setting.isSecure, setting.mode) = (false, .interop)
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(3600))
        let key = try numbers.key("a")
        let end = world.clock.now().advanced(by: .seconds(100))
        world.remote.put(try document(1), for: key, expiresAt: end)
        for _ in 0..<10 {
            #expect(try await numbers.get("a") == 1)
            #expect(world.cache.memoryEntry(for: key)?.expiresAt == end)
            if setting.hasLocal {
                #expect(try await world.cache.localEntries(after: .zero, limit: 1).map(\.expiresAt) == [end])
            }
            world.clock.advance(by: .seconds(9))
            // Another fill: from the local store where there is one, else from the remote.
            try world.forget("n:a")
        }
        world.clock.advance(by: .seconds(9))
        #expect(try await numbers.get("a") == 1)
        world.clock.advance(by: .seconds(1))
        #expect(try await numbers.get("a") == nil)
        #expect(world.cache.memoryEntry(for: key) == nil)
    }

    @Test(arguments: settings)
    func `a value that never expires there is kept here for the namespace's time to live`(
        _ setting: Setting
    ) async throws {
        var setting = setting
        (setting.isSecure, setting.mode) = (false, .interop)
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(50))
        let key = try numbers.key("a")
        world.remote.put(try document(1), for: key, expiresAt: nil)
        #expect(try await numbers.get("a") == 1)
        world.clock.advance(by: .seconds(49))
        let reads = world.remote.reads
        #expect(try await numbers.get("a") == 1)
        #expect(world.remote.reads == reads)
        world.clock.advance(by: .seconds(1))
        // Asked again, and there it still is.
        world.remote.put(try document(2), for: key, expiresAt: nil)
        #expect(try await numbers.get("a") == 2)
    }
}
