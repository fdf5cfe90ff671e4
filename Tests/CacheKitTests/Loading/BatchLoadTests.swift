import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKit

struct BatchLoadTests {
    private struct Failure: Error, Equatable {}

    @Test(arguments: Setting.all)
    func `missing keys are loaded by one run and stored together`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "a")
        let asked = Mutex<[[String]]>([])
        let load: @Sendable ([String]) async throws -> [String: Int] = { keys in
            asked.withLock { $0.append(keys) }
            return Dictionary(uniqueKeysWithValues: keys.filter { $0 != "d" }.map { ($0, 2) })
        }
        let values = try await numbers.getOrSet(["a", "b", "c", "b", "d"], load: load)
        #expect(values == ["a": 1, "b": 2, "c": 2])
        #expect(asked.withLock { $0 } == [["b", "c", "d"]])
        #expect(try await numbers.get(["a", "b", "c", "d"]) == ["a": 1, "b": 2, "c": 2])
        #expect(try await numbers.getOrSet([], load: load) == [:])
    }

    @Test func `a key that somebody else loads is waited for and not loaded twice`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        let loads = Mutex<[String]>([])
        let single = Task {
            try await numbers.getOrSet("a") {
                loads.withLock { $0.append("a") }
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let load: @Sendable ([String]) async throws -> [String: Int] = { keys in
            loads.withLock { $0 += keys }
            await gate.wait()
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
        }
        let batches = (0..<2).map { _ in Task { try await numbers.getOrSet(["a", "b"], load: load) } }
        #expect(await eventually { gate.waiterCount == 2 && world.cache.loads.waiterCount == 4 })
        gate.open()
        for batch in batches { #expect(try await batch.value == ["a": 1, "b": 2]) }
        #expect(try await single.value == 1)
        #expect(loads.withLock { $0.sorted() } == ["a", "b"])
        #expect(world.cache.loads.count == 0)
    }

    @Test func `a failed run gives its error to everyone who waits, and frees the keys`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        let batch = Task {
            try await numbers.getOrSet(["a", "b"]) { _ in
                await gate.wait()
                throw Failure()
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let joined = Task { try await numbers.getOrSet("a") { 1 } }
        #expect(await eventually { world.cache.loads.waiterCount == 1 })
        gate.open()
        await #expect(throws: Failure()) { try await batch.value }
        await #expect(throws: Failure()) { try await joined.value }
        #expect(world.cache.loads.count == 0)
        #expect(try await numbers.getOrSet(["a", "b"]) { _ in ["a": 1, "b": 2] } == ["a": 1, "b": 2])
    }

    @Test func `a cancelled caller leaves at once, and the run goes on for who else waits`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        let load: @Sendable ([String]) async throws -> [String: Int] = { _ in
            await gate.wait()
            return ["a": 1, "b": 2]
        }
        let batch = Task { try await numbers.getOrSet(["a", "b"], load: load) }
        #expect(await eventually { gate.waiterCount == 1 })
        let joined = Task { try await numbers.getOrSet("a") { 9 } }
        #expect(await eventually { world.cache.loads.waiterCount == 1 })
        batch.cancel()
        await #expect(throws: CancellationError.self) { try await batch.value }
        gate.open()
        #expect(try await joined.value == 1)
        // Alone, it ends the run and frees the keys.
        let closed = Gate()
        let alone = Task {
            try await numbers.getOrSet(["x", "y"]) { _ in
                await closed.wait()
                return [:]
            }
        }
        #expect(await eventually { closed.waiterCount == 1 })
        alone.cancel()
        await #expect(throws: CancellationError.self) { try await alone.value }
        #expect(await eventually { world.cache.loads.count == 0 })
        closed.open()
    }

    @Test func `stale values are served for a batch, while one run replaces them or where it fails`() async throws {
        let world = try await World(.localOnly)
        var loading = LoadingPolicy()
        loading.staleWhileRevalidate = .seconds(5)
        loading.staleIfError = .seconds(60)
        loading.negativeTTL = .seconds(5)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(["a": 1, "b": 1])
        world.clock.advance(by: .seconds(11))
        let values = try await numbers.getOrSet(["a", "b"]) { keys in
            Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
        }
        #expect(values == ["a": 1, "b": 1])
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(try await numbers.get(["a", "b"]) == ["a": 2, "b": 2])
        world.clock.advance(by: .seconds(20))
        #expect(try await numbers.getOrSet(["a", "b"]) { _ in throw Failure() } == ["a": 2, "b": 2])
        await #expect(throws: Failure()) { try await numbers.getOrSet(["a", "c"]) { _ in throw Failure() } }
        // What a run does not give is remembered as absent.
        #expect(try await numbers.getOrSet(["z"]) { _ in [:] } == [:])
        #expect(try await numbers.getOrSet(["z"]) { _ in ["z": 1] } == [:])
    }

    private func staleWorld(
        _ adjust: (inout LoadingPolicy) -> Void
    ) async throws -> (World, Namespace<Int>) {
        let world = try await World(.localOnly)
        var loading = LoadingPolicy()
        loading.staleIfError = .seconds(60)
        adjust(&loading)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: loading)
        try await numbers.set(["a": 1, "b": 1])
        return (world, numbers)
    }

    @Test func `after the soft deadline the stale values of a batch are served, and the load goes on`() async throws {
        let (world, numbers) = try await staleWorld { $0.softDeadline = .seconds(1) }
        world.clock.advance(by: .seconds(11))
        let (gate, loads) = (Gate(), Counter())
        let load: @Sendable ([String]) async throws -> [String: Int] = { keys in
            loads.add()
            await gate.wait()
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
        }
        let caller = Task { try await numbers.getOrSet(["a", "b"], load: load) }
        try #require(await eventually { gate.waiterCount == 1 && world.clock.sleeperCount == 2 })
        world.clock.advance(by: .seconds(1))
        #expect(try await caller.value == ["a": 1, "b": 1])
        #expect(world.cache.statistics().staleServed == 2)
        gate.open()
        #expect(await eventually { world.cache.background.count == 0 && world.cache.loads.count == 0 })
        #expect(try await numbers.get(["a", "b"]) == ["a": 2, "b": 2])
        #expect(loads.value == 1)
        // One that is missing has to be waited for, and within the time all are.
        world.clock.advance(by: .seconds(11))
        #expect(try await numbers.getOrSet(["a", "c"], load: load) == ["a": 2, "c": 2])
        #expect(try await numbers.getOrSet(["b"], load: load) == ["b": 2])
    }

    @Test func `a batch that has just failed is not tried again for a while`() async throws {
        let (world, numbers) = try await staleWorld { $0.retryPause = .seconds(2) }
        world.clock.advance(by: .seconds(11))
        let loads = Counter()
        let fail: @Sendable ([String]) async throws -> [String: Int] = { _ in
            loads.add()
            throw Failure()
        }
        for _ in 0..<3 { #expect(try await numbers.getOrSet(["a", "b"], load: fail) == ["a": 1, "b": 1]) }
        #expect(loads.value == 1)
        // Nor by one key of it.
        #expect(try await numbers.getOrSet("a") { throw Failure() } == 1)
        await #expect(throws: Failure()) { try await numbers.getOrSet(["a", "c"], load: fail) }
        #expect(loads.value == 2)
        world.clock.advance(by: .seconds(2))
        #expect(try await numbers.getOrSet(["a", "b"]) { _ in ["a": 2, "b": 2] } == ["a": 2, "b": 2])
    }

    @Test func `values of a batch are loaded anew before their life ends`() async throws {
        let (world, numbers) = try await staleWorld { $0.eagerRefresh = 0.5 }
        let loads = Counter()
        let load: @Sendable ([String]) async throws -> [String: Int] = { keys in
            loads.add()
            return Dictionary(uniqueKeysWithValues: keys.map { ($0, 2) })
        }
        world.clock.advance(by: .seconds(3))
        #expect(try await numbers.getOrSet(["a", "b"], load: load) == ["a": 1, "b": 1])
        #expect(world.cache.background.count == 0)
        world.clock.advance(by: .seconds(3))
        #expect(try await numbers.getOrSet(["a", "b"], load: load) == ["a": 1, "b": 1])
        #expect(await eventually { world.cache.background.count == 0 })
        #expect(try await numbers.getOrSet(["a", "b"], load: load) == ["a": 2, "b": 2])
        #expect(loads.value == 1)
        #expect(world.cache.statistics().staleServed == 0)
    }
}
