import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

/// Which locks a load asks for, and over which tiers.
struct Rings: Sendable, CustomTestStringConvertible {
    var setting: Setting
    var policy: LoadingPolicy

    init(_ setting: Setting, file: Bool = false, fleet: Bool = false) {
        self.setting = setting
        policy = LoadingPolicy()
        policy.isOnePerFile = file
        policy.isOnePerFleet = fleet
    }

    static let file = Rings(.localOnly, file: true)
    static let fleet = Rings(.remoteOnly, fleet: true)
    static let all = [file, fleet, Rings(.allTiers, file: true, fleet: true)]

    var testDescription: String {
        "\(setting.testDescription): \(policy.isOnePerFile ? "file " : "")\(policy.isOnePerFleet ? "fleet" : "")"
    }
}

struct LoadLocksTests {
    private struct Failure: Error, Equatable {}

    private let key: CacheKey

    init() throws {
        key = try CacheKey("n:k")
    }

    /// A load as `getOrSet` does it, without its single flight.
    private func load(
        _ world: World, _ policy: LoadingPolicy, _ body: @escaping @Sendable () async throws -> Int
    ) async throws -> Int {
        let numbers = world.cache.values(of: Int.self)
        return try await world.cache.withLoadLocks(for: key, policy) {
            try await numbers.get(key)
        } load: {
            let value = try await body()
            try await numbers.set(value, for: key)
            return value
        }
    }

    private func isFree(_ world: World) throws -> Bool {
        try world.local.loadLockCount == 0 && !world.remote.isLocked(key)
    }

    @Test func `a policy that asks for no lock takes none, and reads nothing again`() async throws {
        let world = try await World(.allTiers)
        let value = try await world.cache.withLoadLocks(for: key, LoadingPolicy()) { () async throws -> Int? in
            Issue.record("read again")
            return nil
        } load: { () async throws -> Int in
            #expect(try isFree(world))
            return 1
        }
        #expect(value == 1)
    }

    @Test(arguments: Rings.all)
    func `of several caches one loads, and the others find its value`(rings: Rings) async throws {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        let (gate, loads) = (Gate(), Counter())
        let holder = Task {
            try await load(first, rings.policy) {
                loads.add()
                await gate.wait()
                return 7
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let others = (0..<10).map { index in
            Task {
                try await load(index % 2 == 0 ? first : second, rings.policy) {
                    loads.add()
                    return 8
                }
            }
        }
        try #require(await eventually { first.clock.sleeperCount == 10 })
        gate.open()
        #expect(try await holder.value == 7)
        for other in others { #expect(try await first.drive(other) == 7) }
        #expect(loads.value == 1)
        #expect(first.cache.statistics().loadsElsewhere + second.cache.statistics().loadsElsewhere == 10)
    }

    @Test(arguments: Rings.all)
    func `who gets the lock at once reads again all the same: the value may just have come`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let value = try await world.cache.withLoadLocks(for: key, rings.policy) {
            5
        } load: { () async throws -> Int in
            Issue.record("loaded")
            return 6
        }
        #expect(value == 5)
        #expect(try isFree(world))
    }

    @Test(arguments: Rings.all)
    func `a loader that throws leaves no lock, nor does a reader`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        await #expect(throws: Failure()) {
            try await load(world, rings.policy) {
                #expect(try !isFree(world))
                throw Failure()
            }
        }
        #expect(try isFree(world))
        await #expect(throws: Failure()) {
            try await world.cache.withLoadLocks(for: key, rings.policy) { () async throws -> Int? in
                throw Failure()
            } load: {
                1
            }
        }
        #expect(try isFree(world))
    }

    @Test(arguments: Rings.all)
    func `a cancelled load leaves no lock, though its loader be deaf`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let gate = Gate()
        let task = Task {
            try await world.cache.withLoadLocks(for: key, rings.policy) { () async throws -> Int? in
                nil
            } load: {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        #expect(try !isFree(world))
        task.cancel()
        #expect(await eventually { (try? isFree(world)) == true })
        // It is still there, and another loads meanwhile.
        #expect(gate.passed == 0)
        #expect(try await load(world, rings.policy) { 2 } == 2)
        gate.open()
        _ = await task.result
    }

    @Test(arguments: Rings.all)
    func `who waits leaves at once when cancelled, and leaves no lock`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let lock = try rings.policy.isOnePerFleet ? nil : world.local.tryLoadLock(of: key)
        if rings.policy.isOnePerFleet {
            world.remote.put(Array("another".utf8), for: try CacheKey("n:k:lock"), expiresAt: nil)
        }
        let task = Task { try await load(world, rings.policy) { 1 } }
        try #require(await eventually { world.clock.sleeperCount == 1 })
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        lock?.release()
        #expect(world.local.loadLockCount == 0)
        // Another's lock is not ours to give back.
        #expect(try world.remote.isLocked(key) == rings.policy.isOnePerFleet)
    }

    @Test(arguments: [Rings.file, .fleet])
    func `who waited long enough loads without the lock, and looked again now and then`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let lock = try world.local.tryLoadLock(of: key)
        world.remote.put(Array("another".utf8), for: try CacheKey("n:k:lock"), expiresAt: nil)
        let began = world.clock.uptime()
        let looks = Counter()
        let task = Task {
            try await world.cache.withLoadLocks(for: key, rings.policy) { () async throws -> Int? in
                looks.add()
                return nil
            } load: {
                3
            }
        }
        #expect(try await world.drive(task) == 3)
        let waited = world.clock.uptime() - began
        #expect(waited >= .seconds(5) && waited < .milliseconds(5100), "\(waited)")
        #expect((50...120).contains(looks.value), "\(looks.value)")
        #expect(world.cache.statistics().loadLockTimeouts == 1)
        withExtendedLifetime(lock) {}
    }

    @Test func `both locks are waited for no longer than one`() async throws {
        let rings = Rings(.allTiers, file: true, fleet: true)
        let world = try await World(rings.setting)
        let lock = try world.local.tryLoadLock(of: key)
        world.remote.put(Array("another".utf8), for: try CacheKey("n:k:lock"), expiresAt: nil)
        let began = world.clock.uptime()
        let task = Task { try await load(world, rings.policy) { 3 } }
        #expect(try await world.drive(task) == 3)
        #expect(world.clock.uptime() - began < .milliseconds(5200))
        withExtendedLifetime(lock) {}
    }

    @Test(arguments: [Rings.file, .fleet])
    func `loads of other keys wait for nobody`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        let lock = try world.local.tryLoadLock(of: CacheKey("n:other"))
        world.remote.put(Array("another".utf8), for: try CacheKey("n:other:lock"), expiresAt: nil)
        #expect(try await load(world, rings.policy) { 1 } == 1)
        withExtendedLifetime(lock) {}
    }

    @Test(arguments: [
        CacheError.Code.remoteUnavailable, .remoteTimeout, .remoteAuthentication, .remoteRejected, .mayHaveBeenApplied,
    ])
    func `while the remote gives no locks, loads go without: counted, and logged once in each outage`(
        trouble: CacheError.Code
    ) async throws {
        let world = try await World(.remoteOnly)
        for outage in 1...2 {
            world.remote.setOutage(CacheError(trouble, "trouble"))
            for number in 0..<3 {
                let value = try await world.cache.withLoadLocks(for: key, Rings.fleet.policy) {
                    () async throws -> Int? in
                    nil
                } load: {
                    number
                }
                #expect(value == number)
            }
            #expect(world.cache.statistics().loadLockFailures == outage * 3)
            #expect(world.log.texts(.warning).count == outage)
            world.remote.setOutage(nil)
            _ = try await load(world, Rings.fleet.policy) { 1 }
        }
    }

    @Test func `while the store gives no locks, loads go without: counted, and logged once in each outage`()
        async throws
    {
        let world = try await World(.localOnly)
        for outage in 1...2 {
            world.local.setLoadLockFailure(CacheError(.readOnlyStore, "trouble"))
            for number in 0..<3 { #expect(try await load(world, Rings.file.policy) { number } == number) }
            #expect(world.cache.statistics().loadLockFailures == outage * 3)
            #expect(world.log.texts(.warning).count == outage)
            world.local.setLoadLockFailure(nil)
            _ = try await load(world, Rings.file.policy) { 9 }
        }
    }

    @Test func `a lock that another took is not given back, and the load goes on`() async throws {
        let world = try await World(.remoteOnly)
        let name = try CacheKey("n:k:lock")
        let value = try await load(world, Rings.fleet.policy) {
            world.remote.put(Array("another".utf8), for: name, expiresAt: nil)
            return 4
        }
        #expect(value == 4)
        #expect(world.remote.value(of: name) == Array("another".utf8))
    }

    @Test func `with a file, the fleet's lock is kept until the remote has the value`() async throws {
        let rings = Rings(.allTiers, fleet: true)
        let world = try await World(rings.setting)
        #expect(try await load(world, rings.policy) { 1 } == 1)
        #expect(try world.remote.isLocked(key))
        try #require(await eventually { world.clock.sleeperCount == 1 })
        _ = await world.cache.push(deadline: .seconds(5))
        #expect(world.remote.value(of: key) != nil)
        world.clock.advance(by: .milliseconds(10))
        #expect(await eventually { (try? isFree(world)) == true })
        #expect(await eventually { world.cache.lockReturns.count == 0 })
    }

    @Test func `it is not kept for longer than two seconds, nor beyond a shutdown`() async throws {
        let rings = Rings(.allTiers, fleet: true)
        let world = try await World(rings.setting)
        #expect(try await load(world, rings.policy) { 1 } == 1)
        let isGivenBack = await eventually {
            if world.clock.sleeperCount > 0 { world.clock.advance(by: .milliseconds(10)) }
            return (try? isFree(world)) == true
        }
        #expect(isGivenBack)
        #expect(world.clock.uptime() >= .seconds(2) && world.clock.uptime() < .milliseconds(2100))
        let other = try await World(rings.setting)
        #expect(try await load(other, rings.policy) { 1 } == 1)
        await other.cache.shutdown(deadline: .zero)
        #expect(try !other.remote.isLocked(key))
    }

    // MARK: getOrSet

    @Test(arguments: Rings.all)
    func `what getOrSet loads in one process it finds in the others`(rings: Rings) async throws {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        let (gate, loads) = (Gate(), Counter())
        let holder = Task {
            try await first.cache.namespace("n", of: Int.self, loading: rings.policy).getOrSet("k") {
                loads.add()
                await gate.wait()
                return 7
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        let others = (0..<5).map { _ in
            Task {
                try await second.cache.namespace("n", of: Int.self, loading: rings.policy).getOrSet("k") {
                    loads.add()
                    return 8
                }
            }
        }
        try #require(await eventually { second.cache.loads.waiterCount == 5 && first.clock.sleeperCount >= 1 })
        gate.open()
        #expect(try await holder.value == 7)
        for other in others { #expect(try await first.drive(other) == 7) }
        #expect(loads.value == 1)
    }

    @Test(arguments: Rings.all)
    func `a loader that hangs keeps no lock beyond its deadline`(rings: Rings) async throws {
        let world = try await World(rings.setting)
        var policy = rings.policy
        policy.hardDeadline = .seconds(1)
        let numbers = world.cache.namespace("n", of: Int.self, loading: policy)
        let gate = Gate()
        let task = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 1
            }
        }
        try #require(await eventually { gate.waiterCount == 1 && world.clock.sleeperCount == 1 })
        #expect(try !isFree(world))
        world.clock.advance(by: .seconds(1))
        #expect(await code { _ = try await task.value } == .loadTimeout)
        #expect(try isFree(world))
        #expect(gate.passed == 0)
        gate.open()
    }

    // MARK: Declaring

    @Test(arguments: Rings.all, [false, true])
    func `what is due here, and another has loaded anew, is not loaded again`(rings: Rings, isBatch: Bool) async throws
    {
        let first = try await World(rings.setting)
        let second = try await World(rings.setting, beside: first)
        var policy = rings.policy
        policy.eagerRefresh = 0.5
        let loads = Counter()
        func load(_ world: World) async throws -> Int? {
            let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(10), loading: policy)
            @Sendable func next() -> Int {
                loads.add()
                return loads.value
            }
            let value =
                if isBatch {
                    try await numbers.getOrSet(["k"]) { _ in ["k": next()] }["k"]
                } else {
                    try await numbers.getOrSet("k") { next() }
                }
            #expect(
                await eventually {
                    // The fleet's lock is given back once the remote has the value.
                    if world.clock.sleeperCount > 0 { world.clock.advance(by: .milliseconds(5)) }
                    return world.cache.background.count == 0
                })
            return value
        }
        #expect(try await load(first) == 1)
        _ = await first.cache.push(deadline: .seconds(5))
        #expect(try await load(second) == 1)
        first.clock.advance(by: .seconds(6))
        #expect(try await load(first) == 1)
        _ = await first.cache.push(deadline: .seconds(5))
        #expect(try await load(second) == 1)
        #expect(try await load(second) == 2)
        #expect(loads.value == 2)
        #expect(second.cache.statistics().loadsElsewhere == 1)
    }

    @Test func `locks that no tier gives out are refused where a namespace is declared`() async throws {
        let wrong = [Rings(.remoteOnly, file: true), Rings(.localOnly, fleet: true), Rings(.memoryOnly, file: true)]
        for rings in wrong {
            let world = try await World(rings.setting)
            let numbers = world.cache.namespace("n", of: Int.self, loading: rings.policy)
            #expect(await code { _ = try await numbers.get("k") } == .invalidConfiguration)
            #expect(await code { _ = try await numbers.getOrSet("k") { 1 } } == .invalidConfiguration)
            // Nothing was declared.
            #expect(await code { _ = try await world.cache.namespace("n", of: Int.self).get("k") } == nil)
        }
        for rings in Rings.all {
            let world = try await World(rings.setting)
            let numbers = world.cache.namespace("n", of: Int.self, loading: rings.policy)
            #expect(await code { _ = try await numbers.get("k") } == nil)
        }
    }

    @Test func `a cache whose every load asks for a lock that no tier gives out is not opened`() async throws {
        var configuration = CacheConfiguration()
        configuration.loading.isOnePerFile = true
        let store = Lockless(clock: ManualClock())
        let (chosen, keyring) = (configuration, try World.keyring.get())
        let refusal = await code {
            _ = try await Cache(
                local: store, encryption: .secure(key: .keyring(keyring)), configuration: chosen)
        }
        #expect(refusal == .invalidConfiguration)
        #expect(store.base.isClosed)
    }
}

/// A store that gives out no locks.
private final class Lockless: ForwardingStore, LocalStoreProvider {
    let base: SimulatedLocalStore

    init(clock: ManualClock) {
        base = SimulatedLocalStore(clock: clock)
    }

    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }
}
