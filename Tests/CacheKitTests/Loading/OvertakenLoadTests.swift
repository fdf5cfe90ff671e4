import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKit

/// Writes of a key while it is loaded.
struct OvertakenLoadTests {
    private struct Failure: Error, Equatable {}

    /// A load of "k" whose loader has begun, and gives 1 when the gate is opened.
    private func begunLoad(_ numbers: Namespace<Int>) async -> (Gate, Task<Int, any Error>) {
        let gate = Gate()
        let load = Task {
            try await numbers.getOrSet("k") {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        return (gate, load)
    }

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
        let (gate, load) = await begunLoad(numbers)
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

    @Test(arguments: [false, true])
    func `a load that began while a write was under way does not overwrite it`(deletes: Bool) async throws {
        let clock = ManualClock()
        let store = SlowCommits(clock: clock)
        var configuration = CacheConfiguration()
        configuration.clock = clock
        let cache = try await Cache(
            local: store, encryption: .secure(key: .keyring(World.keyring.get())), configuration: configuration)
        let numbers = cache.namespace("n", of: Int.self)
        let (gate, ended) = (Gate(), Gate())
        let load = Mutex<Task<Int, any Error>?>(nil)
        store.setHooks {
            let task = Task {
                defer { ended.open() }
                return try await numbers.getOrSet("k") {
                    await gate.wait()
                    return 1
                }
            }
            load.withLock { $0 = task }
            _ = await eventually { gate.waiterCount == 1 }
        } after: {
            gate.open()
            await ended.wait()
        }
        if deletes { try await numbers.delete("k") } else { try await numbers.set(2, for: "k") }
        #expect(try await load.withLock { $0 }?.value == 1)
        #expect(try await numbers.get("k") == (deletes ? nil : 2))
    }

    @Test func `a write that failed after it was stored is not overwritten by a load that began before`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        let (gate, load) = await begunLoad(numbers)
        world.remote.failNext(.replyLost, on: .writes)
        #expect(await code { try await numbers.set(2, for: "k") } == .mayHaveBeenApplied)
        gate.open()
        #expect(try await load.value == 1)
        #expect(try await numbers.get("k") == 2)
    }

    @Test func `what a person decides is not overwritten by a load that began before`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(2, for: "k")
        let lost = try #require(try await world.local.read([numbers.key("k")])[0])
        let winner = LocalChange(
            key: try numbers.key("k"), value: nil, form: .plain, mode: .native, expiresAt: world.clock.now())
        _ = try await world.local.resolve([Resolution(sequence: lost.sequence, winner: winner, loss: .foreign)])
        try world.forget("n:k")
        let (gate, load) = await begunLoad(numbers)
        _ = try await world.cache.settleConflicts([lost.sequence], keeping: .local(overwritesLocal: false))
        gate.open()
        #expect(try await load.value == 1)
        #expect(try await numbers.get("k") == 2)
    }

    @Test func `an overtaken load does not say that writing works again`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let (gate, load) = await begunLoad(numbers)
        try await numbers.set(2, for: "k")
        world.local.failNext(.diskFull, on: .writes)
        #expect(await code { try await numbers.set(1, for: "l") } == .diskFull)
        gate.open()
        _ = try await load.value
        #expect(await world.cache.health().writeError?.code == .diskFull)
    }

    @Test(arguments: [false, true])
    func `writes of other keys keep no load from being shared and stored`(isBatch: Bool) async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        let (gate, loads) = (Gate(), Counter())
        @Sendable func load() async throws -> Int? {
            if isBatch {
                return try await numbers.getOrSet(["k"]) { _ in
                    loads.add()
                    await gate.wait()
                    return ["k": 1]
                }["k"]
            }
            return try await numbers.getOrSet("k") {
                loads.add()
                await gate.wait()
                return 1
            }
        }
        let first = Task { try await load() }
        #expect(await eventually { gate.waiterCount == 1 })
        // More than any table of counts would have room for.
        for number in 0..<50_000 { try await numbers.set(number, for: "other\(number)") }
        let second = Task { try await load() }
        #expect(await eventually { world.cache.loads.waiterCount > (isBatch ? 0 : 1) })
        gate.open()
        #expect(try await first.value == 1)
        #expect(try await second.value == 1)
        #expect(loads.value == 1)
        #expect(try await numbers.get("k") == 1)
        #expect(world.cache.writeMarks.count == 0)
    }

    @Test(arguments: [false, true])
    func `a load that goes on when its caller has left does not overwrite what was set since`(isBatch: Bool)
        async throws
    {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        let (gate, ended) = (Gate(), Counter())
        let caller = Task {
            // Deaf to its cancellation.
            @Sendable func slow() async -> Int {
                await Task { await gate.wait() }.value
                ended.add()
                return 1
            }
            if isBatch {
                _ = try await numbers.getOrSet(["k"]) { _ in ["k": await slow()] }
            } else {
                _ = try await numbers.getOrSet("k") { await slow() }
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        caller.cancel()
        _ = await caller.result
        try await numbers.set(2, for: "k")
        gate.open()
        #expect(await eventually { ended.value == 1 && world.cache.writeMarks.count == 0 })
        #expect(try await numbers.get("k") == 2)
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

/// Lets a test do something before and after a commit takes effect, once.
private final class SlowCommits: ForwardingStore, LocalStoreProvider {
    typealias Hook = @Sendable () async -> Void
    let base: SimulatedLocalStore
    private let hooks = Mutex<(before: Hook, after: Hook)?>(nil)

    init(clock: ManualClock) {
        base = SimulatedLocalStore(clock: clock)
    }

    func setHooks(before: @escaping Hook, after: @escaping Hook) { hooks.withLock { $0 = (before, after) } }

    func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result { try await body() }

    func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        let hooks = hooks.withLock { hooks in
            defer { hooks = nil }
            return hooks
        }
        await hooks?.before()
        let sequences = try await base.commit(changes)
        await hooks?.after()
        return sequences
    }

    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }
}
