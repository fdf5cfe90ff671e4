import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// Taking in keys of the remote that are not held here.
struct PrefetchingTests {
    private func makeWorld(_ count: Int) async throws -> (World, Namespace<Int>, Namespace<Int>) {
        let world = try await World(.allTiers)
        let other = try await World(Setting(hasRemote: true), beside: world)
        let theirs = other.namespace("n", of: Int.self, ttl: .seconds(100))
        for index in 0..<count { try await theirs.set(index, for: "k\(index)") }
        return (world, world.namespace("n", of: Int.self, ttl: .seconds(100)), theirs)
    }

    @Test func `what only the remote holds is held here after that`() async throws {
        let (world, numbers, theirs) = try await makeWorld(45)
        try await theirs.set(9, for: "other")
        try await numbers.set(77, for: "k3")
        var told: [Prefetch] = []
        let report = try await world.cache.prefetch(prefix: "n:k") { told.append($0) }
        #expect(report.listed == 45 && report.pulled == 44 && report.unopened == 0 && report.isComplete)
        #expect(told.last == report && told.count > 3)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        for index in 0..<45 { #expect(try await numbers.get("k\(index)") == (index == 3 ? 77 : index)) }
        #expect(try await world.local.read([CacheKey("n:other")])[0] == nil)
    }

    @Test func `a value that does not open is counted, a lock is none, and the others are taken in`() async throws {
        let (world, numbers, _) = try await makeWorld(5)
        world.remote.put([1, 2, 3], for: try numbers.key("k1"), expiresAt: nil)
        world.remote.put([1, 2, 3], for: try numbers.key("k2:lock"), expiresAt: nil)
        let report = try await world.cache.prefetch(prefix: "n:")
        #expect(report.listed == 6 && report.pulled == 4 && report.unopened == 1 && report.isComplete)
    }

    @Test func `a remote that is away ends it, and a cancelled one says so`() async throws {
        let (world, _, _) = try await makeWorld(45)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        #expect(await code { try await world.cache.prefetch(prefix: "n:") } == .remoteUnavailable)
        world.remote.setOutage(nil)
        let task = Task {
            try await world.cache.prefetch(prefix: "n:") { _ in withUnsafeCurrentTask { $0?.cancel() } }
        }
        let report = try await task.value
        #expect(!report.isComplete && report.listed > 0 && report.listed < 45)
    }

    @Test func `fewer are read at a time where values are large, or a rate is given`() {
        var bound = PrefetchBound(keysPerSecond: nil)
        #expect(bound.count == 16)
        for _ in 0..<10 { bound.took(100 * bound.count, of: bound.count) }
        #expect(bound.count == 256)
        bound.took(256 << 20, of: 256)
        #expect(bound.count == 4)
        bound.took(64 << 20, of: 4)
        #expect(bound.count == 1)
        #expect(PrefetchBound(keysPerSecond: 20).count == 5 && PrefetchBound(keysPerSecond: 1).count == 1)
    }
}
