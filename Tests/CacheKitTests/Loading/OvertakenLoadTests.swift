import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// Writes of a key while it is loaded.
struct OvertakenLoadTests {
    private struct Failure: Error, Equatable {}

    @Test(arguments: [Setting.memoryOnly, .localOnly, .remoteOnly, .allTiers], [false, true])
    func `what is written while a load runs stands, and who asks after it is given that or loads anew`(
        setting: Setting, deletes: Bool
    ) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        let (begun, gate) = (Gate(), Gate())
        async let old = numbers.getOrSet("k") {
            begun.open()
            await gate.wait()
            return 1
        }
        async let olds = numbers.getOrSet(["l"]) { _ in
            await gate.wait()
            return ["l": 1]
        }
        await begun.wait()
        #expect(await eventually { gate.waiterCount == 2 })
        if deletes {
            try await numbers.delete(["k", "l"])
        } else {
            try await numbers.set(["k": 2, "l": 2])
        }
        #expect(try await numbers.getOrSet("k") { 3 } == (deletes ? 3 : 2))
        gate.open()
        #expect(try await old == 1)
        #expect(try await olds == ["l": 1])
        #expect(try await numbers.get(["k", "l"]) == (deletes ? ["k": 3] : ["k": 2, "l": 2]))
    }

    @Test(arguments: Setting.all.filter { $0.mode == .interop })
    func `what was loading when a namespace without stamps was removed is not stored`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        let load = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        try await numbers.removeAll()
        // Nor is who asks now given what it gives.
        #expect(try await numbers.getOrSet("l") { 2 } == 2)
        let later = Task { try await numbers.getOrSet("k") { 3 } }
        #expect(await eventually { (try? await numbers.get("k")) == 3 })
        gate.open()
        #expect(try await load.value == 1)
        #expect(try await later.value == 3)
        #expect(try await numbers.get("k") == 3)
    }

    @Test func `a load that is cancelled says nothing of its loader`() async throws {
        let world = try await World(.localOnly)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(["k": 1, "l": 1])
        world.clock.advance(by: .seconds(11))
        let gate = Gate()
        let callers = [
            Task {
                _ = try await numbers.getOrSet("k") {
                    await gate.wait()
                    return 2
                }
            },
            Task {
                _ = try await numbers.getOrSet(["l"]) { _ in
                    await gate.wait()
                    return ["l": 2]
                }
            },
        ]
        #expect(await eventually { gate.waiterCount == 2 })
        for caller in callers { caller.cancel() }
        for caller in callers { _ = await caller.result }
        #expect(await eventually { world.cache.loads.count == 0 })
        #expect(try await numbers.getOrSet("k") { 3 } == 3)
        #expect(try await numbers.getOrSet(["l"]) { _ in ["l": 3] } == ["l": 3])
        #expect(world.cache.statistics().loadFailures == 0)
        gate.open()
    }

    @Test func `what is due for a refresh is an answer below memory, too`() async throws {
        let world = try await World(.localOnly)
        var loading = LoadingPolicy()
        loading.eagerRefresh = 0.5
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(6))
        try world.forget("n:k")
        #expect(try await numbers.getOrSet("k") { throw Failure() } == 1)
    }
}
