import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

struct GetOrSetTests {
    private struct Failure: Error, Equatable {}

    @Test(arguments: Setting.all)
    func `a thousand callers at once cost one load`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        let loads = Counter()
        let gate = Gate()
        let callers = (0..<1000).map { _ in
            Task {
                try await numbers.getOrSet("k") {
                    loads.add()
                    await gate.wait()
                    return 42
                }
            }
        }
        #expect(await eventually { world.cache.loads.waiterCount == 1000 })
        gate.open()
        for caller in callers { #expect(try await caller.value == 42) }
        #expect(loads.value == 1)
        #expect(world.cache.statistics().loads == 1)
        #expect(world.cache.statistics().memory.misses == 1000)
        #expect(try await numbers.getOrSet("k") { 0 } == 42)
        #expect(try await numbers.get("k") == 42)
    }

    @Test(arguments: Setting.all)
    func `the loader's error comes as it is, and the next call loads again`(setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        await #expect(throws: Failure()) { try await numbers.getOrSet("k") { throw Failure() } }
        #expect(world.cache.statistics().loadFailures == 1)
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.getOrSet("k") { 1 } == 1)
    }

    @Test func `a cancelled caller gets CancellationError itself`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        let caller = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 1
            }
        }
        let other = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { world.cache.loads.waiterCount == 2 })
        caller.cancel()
        await #expect(throws: CancellationError.self) { try await caller.value }
        gate.open()
        #expect(try await other.value == 1)
    }

    @Test func `a loader's own CancellationError comes unwrapped`() async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        await #expect(throws: CancellationError.self) { try await numbers.getOrSet("k") { throw CancellationError() } }
    }

    @Test func `two types of one key do not share a load`() async throws {
        let world = try await World(.memoryOnly)
        let key = try CacheKey("k")
        let gate = Gate()
        let number = Task {
            try await world.cache.values(of: Int.self).getOrSet(key) {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        #expect(try await world.cache.values(of: String.self).getOrSet(key) { "text" } == "text")
        gate.open()
        #expect(try await number.value == 1)
    }

    @Test func `an optional that is nil is a value`() async throws {
        let world = try await World(.memoryOnly)
        let maybe = world.namespace("m", of: Int?.self)
        let loads = Counter()
        for _ in 0..<2 {
            let value = try await maybe.getOrSet("k") {
                loads.add()
                return nil
            }
            #expect(value == nil)
        }
        #expect(loads.value == 1)
    }

    @Test(arguments: [CacheError.Code.diskFull, .inputOutput, .readOnlyStore, .storeBusy, .backPressure])
    func `a loaded value is returned although the store can't keep it`(trouble: CacheError.Code) async throws {
        let world = try await World(.localOnly)
        world.local.setOutage(.error(CacheError(trouble, "trouble")), on: .writes)
        let numbers = world.namespace("n", of: Int.self)
        #expect(try await numbers.getOrSet("k") { 7 } == 7)
        #expect(world.cache.statistics().storeFailures == 1)
        #expect(world.log.texts(.warning).count == 1)
        #expect(try await numbers.get("k") == nil)
    }

    @Test func `a loaded value is returned although the remote is away`() async throws {
        let world = try await World(.remoteOnly)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        let numbers = world.namespace("n", of: Int.self)
        #expect(try await numbers.getOrSet("k") { 7 } == 7)
        #expect(world.cache.statistics().storeFailures == 1)
        #expect(world.cache.statistics().remoteFailures == 1)
    }

    @Test func `a value that is too large is an error, and so is one that can't be encoded`() async throws {
        let world = try await World(.memoryOnly) { $0.maximumValueBytes = 10 }
        let texts = world.namespace("n", of: String.self)
        let long = String(repeating: "x", count: 100)
        #expect(await code { _ = try await texts.getOrSet("k") { long } } == .valueTooLarge)
    }

    @Test func `a loaded value lives as long as the call says`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(100))
        _ = try await numbers.getOrSet("k", ttl: .seconds(5)) { 1 }
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.getOrSet("k") { 2 } == 2)
    }
}
