import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKit

/// Rings two and three for many keys at once.
struct BatchLoadLocksTests {
    private struct Failure: Error, Equatable {}

    /// What loaders were asked for, in order.
    private final class Asked: Sendable {
        private let state = Mutex([[String]]())
        var calls: [[String]] { state.withLock { $0 } }

        func note(_ keys: [String]) { state.withLock { $0.append(keys.sorted()) } }
    }

    private func numbers(_ world: World, _ policy: LoadingPolicy) -> Namespace<Int> {
        world.cache.namespace("n", of: Int.self, loading: policy)
    }

    private func isFree(_ world: World, _ keys: [String]) throws -> Bool {
        let isLocked = try keys.contains { try world.remote.isLocked(CacheKey("n:" + $0)) }
        return world.local.loadLockCount == 0 && !isLocked
    }

    @Test(arguments: Rings.all)
    func `what another cache loads is waited for, and the rest is loaded meanwhile`(rings: Rings) async throws {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        let (gate, asked) = (Gate(), Asked())
        let holder = Task {
            try await numbers(first, rings.policy).getOrSet(["a", "b"]) { keys in
                asked.note(keys)
                await gate.wait()
                return ["a": 1, "b": 2]
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let other = Task {
            try await numbers(second, rings.policy).getOrSet(["b", "c"]) { keys in
                asked.note(keys)
                return Dictionary(uniqueKeysWithValues: keys.map { ($0, 9) })
            }
        }
        #expect(await eventually { (try? await numbers(first, rings.policy).get("c")) == 9 })
        // Who waits holds nothing: what is held are the locks of a and b.
        #expect(await eventually { first.local.loadLockCount == (rings.policy.isOnePerFile ? 2 : 0) })
        gate.open()
        #expect(try await holder.value == ["a": 1, "b": 2])
        #expect(try await first.drive(other) == ["b": 2, "c": 9])
        #expect(asked.calls == [["a", "b"], ["c"]])
        #expect(second.cache.statistics().loadsElsewhere == 1)
    }

    @Test(arguments: Rings.all)
    func `a value that one key's load stores is found by a load of many`(rings: Rings) async throws {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        let gate = Gate()
        let holder = Task {
            try await numbers(first, rings.policy).getOrSet("a") {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let other = Task {
            try await numbers(second, rings.policy).getOrSet(["a"]) { _ in
                Issue.record("loaded")
                return [:]
            }
        }
        #expect(await eventually { second.cache.loads.count == 1 })
        gate.open()
        _ = try await holder.value
        #expect(try await first.drive(other) == ["a": 1])
    }

    @Test(arguments: Rings.all)
    func `a thousand keys are loaded by one run, and no lock is left`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let (keys, asked) = ((0..<1000).map { "k\($0)" }, Asked())
        let values = try await numbers(world, rings.policy).getOrSet(keys) { missing in
            asked.note(missing)
            #expect((try? isFree(world, [missing[0]])) == false && (try? isFree(world, [missing[999]])) == false)
            return Dictionary(uniqueKeysWithValues: missing.map { ($0, 1) })
        }
        #expect(values.count == 1000 && asked.calls.count == 1)
        _ = await world.cache.push(deadline: .seconds(5))
        let isGivenBack = await eventually {
            if world.clock.sleeperCount > 0 { world.clock.advance(by: .milliseconds(10)) }
            return (try? isFree(world, keys)) == true
        }
        #expect(isGivenBack)
        #expect(await eventually { world.cache.lockReturns.count == 0 })
    }

    @Test(arguments: Rings.all)
    func `a loader that throws or is cancelled leaves no lock`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        await #expect(throws: Failure()) {
            try await numbers(world, rings.policy).getOrSet(["a", "b"]) { _ in throw Failure() }
        }
        #expect(try isFree(world, ["a", "b"]))
        let gate = Gate()
        let task = Task {
            try await numbers(world, rings.policy).getOrSet(["a", "b"]) { _ in
                await gate.wait()
                return [:]
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        for key in ["a", "b"] { #expect(try !isFree(world, [key])) }
        task.cancel()
        #expect(await eventually { (try? isFree(world, ["a", "b"])) == true })
        #expect(gate.passed == 0)
        gate.open()
        _ = await task.result
    }

    @Test(arguments: [Rings.file, .fleet])
    func `who waited long enough loads without the locks`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let locks = try ["a", "b"].map { try world.local.tryLoadLock(of: CacheKey("n:" + $0)) }
        for key in ["a", "b"] {
            world.remote.put(Array("another".utf8), for: try CacheKey("n:\(key):lock"), expiresAt: nil)
        }
        let began = world.clock.uptime()
        let task = Task {
            try await numbers(world, rings.policy).getOrSet(["a", "b"]) { _ in ["a": 1, "b": 2] }
        }
        #expect(try await world.drive(task) == ["a": 1, "b": 2])
        let waited = world.clock.uptime() - began
        #expect(waited >= .seconds(5) && waited < .milliseconds(5100), "\(waited)")
        #expect(world.cache.statistics().loadLockTimeouts == 2)
        withExtendedLifetime(locks) {}
    }

    @Test func `a remote that is away is asked for some locks, not for each, and all is loaded`() async throws {
        let world = try await World(.remoteOnly)
        let keys = (0..<500).map { "k\($0)" }
        let physical = try keys.map { try CacheKey("n:" + $0) }
        for isAway in [false, true] {
            if isAway { world.remote.setOutage(CacheError(.remoteUnavailable, "trouble")) }
            let values = try await world.cache.withLoadLocks(
                for: Array(keys.indices), of: physical, Rings.fleet.policy
            ) { _ in
                [Int: Int]()
            } load: { indices in
                Dictionary(uniqueKeysWithValues: indices.map { ($0, $0) })
            }
            #expect(values.count == 500)
        }
        #expect(world.cache.statistics().loadLockFailures == 64)
    }

    @Test(arguments: [Rings.file, .fleet], [1, 2, 3, 4] as [UInt64])
    func `loads of any keys in any order load each key once, and none waits for ever`(
        rings: Rings, seed: UInt64
    ) async throws {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        var random = SeededRandom(seed: seed)
        let asked = Asked()
        // On a busy machine the driven clock goes faster than the loads: nobody is to give up waiting for that.
        var policy = rings.policy
        policy.loadElsewhereTimeout = .seconds(3600)
        let calls = (0..<20).map { _ in (0..<8).map { "k\($0)" }.shuffled(using: &random).prefix(5) }
        let task = Task {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, keys) in calls.enumerated() {
                    group.addTask { [policy] in
                        let values = try await numbers(number % 2 == 0 ? first : second, policy)
                            .getOrSet(Array(keys)) { missing in
                                asked.note(missing)
                                await Task.yield()
                                return Dictionary(uniqueKeysWithValues: missing.map { ($0, 1) })
                            }
                        #expect(values.count == 5)
                    }
                }
                try await group.waitForAll()
            }
        }
        try await first.drive(task)
        let loaded = asked.calls.flatMap(\.self)
        #expect(loaded.count == Swift.Set(loaded).count, "seed \(seed): \(asked.calls)")
        #expect(try isFree(first, (0..<8).map { "k\($0)" }))
    }
}
