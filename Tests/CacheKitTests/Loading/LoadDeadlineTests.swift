import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

struct LoadDeadlineTests {
    private func numbers(_ world: World, _ adjust: (inout LoadingPolicy) -> Void) -> Namespace<Int> {
        var loading = LoadingPolicy()
        adjust(&loading)
        return world.cache.namespace("n", of: Int.self, ttl: .seconds(10), mode: world.setting.mode, loading: loading)
    }

    @Test(arguments: Setting.all)
    func `a loader that hangs is given up at its deadline, and the key is free again`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = numbers(world) { $0.hardDeadline = .seconds(5) }
        let gate = Gate()
        let callers = (0..<3).map { _ in
            Task {
                try await numbers.getOrSet("k") {
                    await gate.wait()
                    return 1
                }
            }
        }
        #expect(
            await eventually {
                gate.waiterCount == 1 && world.cache.loads.waiterCount == 3 && world.clock.sleeperCount == 1
            })
        world.clock.advance(by: .seconds(5))
        for caller in callers { #expect(await code { _ = try await caller.value } == .loadTimeout) }
        #expect(world.cache.loads.count == 0)
        #expect(try await numbers.getOrSet("k") { 2 } == 2)
        // What it gives at last is dropped.
        gate.open()
        #expect(await eventually { gate.passed == 1 })
        #expect(try await numbers.get("k") == 2)
    }

    @Test func `a stale value takes the place of a load that takes too long`() async throws {
        let world = try await World(.localOnly)
        let numbers = numbers(world) {
            $0.hardDeadline = .seconds(5)
            $0.staleIfError = .seconds(60)
        }
        let gate = Gate()
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        let caller = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 2
            }
        }
        try #require(await eventually { gate.waiterCount == 1 && world.clock.sleeperCount == 1 })
        world.clock.advance(by: .seconds(5))
        #expect(try await caller.value == 1)
        gate.open()
    }

    @Test func `after the soft deadline the stale value is served and the load goes on`() async throws {
        let world = try await World(.localOnly)
        let numbers = numbers(world) {
            $0.softDeadline = .seconds(1)
            $0.staleIfError = .seconds(60)
        }
        let gate = Gate()
        let loads = Counter()
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        let caller = Task {
            try await numbers.lookupOrSet("k") {
                loads.add()
                await gate.wait()
                return Loaded(2)
            }
        }
        #expect(
            await eventually {
                // Both deadlines.
                gate.waiterCount == 1 && world.cache.loads.waiterCount == 2 && world.clock.sleeperCount == 2
            })
        world.clock.advance(by: .seconds(1))
        let served = try #require(try await caller.value)
        #expect(served.value == 1)
        #expect(served.isStale)
        gate.open()
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(try await numbers.get("k") == 2)
        #expect(loads.value == 1)
    }

    @Test func `a load within the soft deadline gives its value`() async throws {
        let world = try await World(.localOnly)
        let numbers = numbers(world) {
            $0.softDeadline = .seconds(1)
            $0.staleIfError = .seconds(60)
        }
        try await numbers.set(1, for: "k")
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.getOrSet("k") { 2 } == 2)
    }

    @Test func `callers of a failed load get its error, or load themselves, one after the other`() async throws {
        struct Failure: Error, Equatable { var number: Int }
        for policy in [LoadingPolicy.FailurePolicy.shareError, .loadThemselves] {
            let world = try await World(.memoryOnly)
            let numbers = numbers(world) { $0.onFailure = policy }
            let gate = Gate()
            let loads = Counter()
            let callers = (0..<10).map { _ in
                Task {
                    try await numbers.getOrSet("k") {
                        loads.add()
                        let number = loads.value
                        await gate.wait()
                        guard number > 3 else { throw Failure(number: number) }
                        return number
                    }
                }
            }
            #expect(await eventually { world.cache.loads.waiterCount == 10 })
            gate.open()
            var failures = 0
            for caller in callers { if (try? await caller.value) == nil { failures += 1 } }
            #expect(failures == (policy == .shareError ? 10 : 3))
            #expect(loads.value == (policy == .shareError ? 1 : 4))
        }
    }
}
