import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct NamespaceTests {
    private func problems(_ handle: Namespace<Int>) async throws -> [CacheError.Code?] {
        let key = try CacheKey("physical")
        return [
            await code { _ = try handle.key("k") }, await code { _ = try await handle.get("k") },
            await code { _ = try await handle.get(key) }, await code { _ = try await handle.get([]) },
            await code { _ = try await handle.contains("k") }, await code { _ = try await handle.contains(key) },
            await code { try await handle.set(1, for: "k") }, await code { try await handle.set(1, for: key) },
            await code { try await handle.set([:]) },
            await code { try await handle.set([(key: key, value: 1, ttl: nil)]) },
            await code { try await handle.delete("k") }, await code { try await handle.delete(key) },
            await code { try await handle.delete([]) }, await code { _ = try await handle.getOrSet("k") { 1 } },
            await code { _ = try await handle.getOrSet(key) { 1 } },
        ]
    }

    @Test(arguments: ["", "ckv", "ckv:x", "ckv:\u{301}", "a\0b", String(repeating: "n", count: 513)])
    func `a name that is not allowed is reported by every call`(name: String) async throws {
        let world = try await World(.memoryOnly)
        for problem in try await problems(world.cache.namespace(name)) { #expect(problem == .invalidConfiguration) }
    }

    @Test func `a TTL out of range is reported by every call`() async throws {
        let world = try await World(.memoryOnly)
        for ttl: Duration in [.zero, CacheConfiguration.maximumTTL + .seconds(1)] {
            for problem in try await problems(world.cache.namespace("n", ttl: ttl)) {
                #expect(problem == .invalidConfiguration)
            }
        }
    }

    @Test func `declaring a namespace otherwise is reported by the later handle only`() async throws {
        let world = try await World(.memoryOnly)
        let first = world.cache.namespace("n", of: Int.self, ttl: .seconds(5))
        let same = world.cache.namespace("n", of: Int.self, ttl: .seconds(5))
        for other in [
            world.cache.namespace("n", of: Int.self, ttl: .seconds(6)),
            world.cache.namespace("n", of: Int.self, ttl: .seconds(5), mode: .interop),
        ] {
            for problem in try await problems(other) { #expect(problem == .invalidConfiguration) }
        }
        try await first.set(1, for: "k")
        #expect(try await same.get("k") == 1)
    }

    @Test func `the longest declared prefix decides, however the key is written`() async throws {
        let world = try await World(Setting(hasLocal: true, isSecure: false))
        _ = world.cache.namespace("a", of: Int.self, mode: .interop)
        _ = world.cache.namespace("a:b", of: Int.self, ttl: .seconds(5))
        let values = world.cache.values(of: Int.self)
        let expected: [(String, NamespaceMode, Int64)] = [
            ("a:k", .interop, 3600), ("a:b", .interop, 3600), ("a:b:k", .native, 5), ("a:b:c:k", .native, 5),
            ("a:c:k", .interop, 3600), ("ab:k", .native, 3600), ("a", .native, 3600), (":a:b", .native, 3600),
            // Byte for byte: an accent on the colon does not hide it.
            ("a:\u{301}k", .interop, 3600),
        ]
        for (key, mode, seconds) in expected {
            try await values.set(1, for: key)
            let row = try #require(try await world.local.read([CacheKey(key)])[0])
            #expect(row.mode == mode, "\(key)")
            #expect(row.expiresAt == world.clock.now().advanced(by: .seconds(seconds)), "\(key)")
            #expect(try await values.get(key) == 1)
        }
    }

    @Test func `names that only look alike are two namespaces`() async throws {
        let world = try await World(.memoryOnly)
        let composed = world.cache.namespace("caf\u{E9}", of: Int.self, ttl: .seconds(5))
        let decomposed = world.cache.namespace("cafe\u{301}", of: Int.self, ttl: .seconds(6))
        try await composed.set(1, for: "k")
        #expect(try await decomposed.get("k") == nil)
    }

    @Test func `a typed handle and a physical key name the same entry`() async throws {
        let world = try await World(.memoryOnly)
        try await world.cache.namespace("users", of: Int.self).set(42, for: "7")
        #expect(try await world.cache.values(of: Int.self).get(CacheKey("users:7")) == 42)
    }

    @Test func `bytes and trees have codecs of their own in a namespace too`() async throws {
        let world = try await World(Setting(hasLocal: true, isSecure: false, mode: .interop))
        try await world.namespace("b", of: [UInt8].self).set([1, 2], for: "k")
        #expect(try await world.local.read([CacheKey("b:k")])[0]?.value == [0xC4, 2, 1, 2])
    }
}
