import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

struct CacheLifecycleTests {
    private struct Failure: Error, Equatable {}

    @Test func `running pushes at its end what is pending, and closes`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        let result = try await world.cache.running {
            for number in 0..<50 { try await numbers.set(number, for: "\(number)") }
            return "done"
        }
        #expect(result == "done")
        #expect(world.remote.count == 50)
        #expect(world.local.isClosed)
        #expect(world.remote.isClosed)
        #expect(world.clock.sleeperCount == 0)
        #expect(world.log.texts(.warning).isEmpty)
        #expect(await code { try await numbers.set(1, for: "k") } == .shutdown)
    }

    @Test func `running drains when its task is cancelled, too`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        let written = Gate()
        let running = Task {
            try await world.cache.running {
                try await numbers.set(1, for: "k")
                written.open()
                try await world.clock.sleep(for: .seconds(3600))
            }
        }
        await written.wait()
        running.cancel()
        world.remote.setOutage(nil)
        _ = await eventually {
            world.clock.advance(by: .milliseconds(50))
            return world.local.isClosed
        }
        await #expect(throws: CancellationError.self) { try await running.value }
        #expect(world.remote.count == 1)
    }

    @Test func `running passes the body's error on, after draining`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        await #expect(throws: Failure()) {
            try await world.cache.running {
                try await numbers.set(1, for: "k")
                throw Failure()
            }
        }
        #expect(world.remote.count == 1)
        #expect(world.local.isClosed)
    }

    @Test func `running ends at its deadline when the remote stays away`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        let done = Counter()
        let running = Task {
            try await world.cache.running(drain: .seconds(3)) { try await numbers.set(1, for: "k") }
            done.add()
        }
        let hasEnded = await eventually {
            for _ in 0..<50 { await Task.yield() }
            world.clock.advance(by: .seconds(1))
            return done.value == 1
        }
        #expect(hasEnded)
        try await running.value
        #expect(world.local.isClosed)
        #expect(world.log.texts(.notice).count == 1)
    }

    @Test func `run ends when it is cancelled and leaves what is pending`() async throws {
        let world = try await World(.allTiers)
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        try await world.namespace("n", of: Int.self).set(1, for: "k")
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount >= 4 })
        run.cancel()
        await run.value
        #expect(world.clock.sleeperCount == 0)
        #expect(try await world.cache.syncStatus()?.backlog.changes == 1)
        #expect(!world.local.isClosed)
    }

    @Test func `run ends when the cache is shut down, without time moving`() async throws {
        let world = try await World(.allTiers)
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount >= 5 })
        await world.cache.shutdown()
        await run.value
        #expect(world.clock.sleeperCount == 0)
    }

    @Test(arguments: Setting.all)
    func `after a shutdown every call throws shutdown, and shutting down again is harmless`(setting: Setting)
        async throws
    {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        async let other: Void = world.cache.shutdown()
        await world.cache.shutdown()
        await other
        await world.cache.shutdown()
        #expect(await code { _ = try await numbers.get("k") } == .shutdown)
        #expect(await code { _ = try await numbers.get(["k"]) } == .shutdown)
        #expect(await code { _ = try await numbers.contains("k") } == .shutdown)
        #expect(await code { try await numbers.set(2, for: "k") } == .shutdown)
        #expect(await code { try await numbers.delete("k") } == .shutdown)
        #expect(await code { _ = try await numbers.getOrSet("k") { 1 } } == .shutdown)
        #expect(world.cache.statistics().memory.entries == 0)
    }

    @Test func `a cache that nobody runs says so once, and in its health`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        for number in 0..<10 { try await numbers.set(number, for: "\(number)") }
        #expect(world.log.texts(.warning) == [Cache.notRunningWarning])
        #expect(await world.cache.health().warnings == [Cache.notRunningWarning])
        let run = Task { await world.cache.run() }
        #expect(await eventually { (try? await world.cache.syncStatus()?.activity) == .idle })
        #expect(await world.cache.health().warnings.isEmpty)
        run.cancel()
        await run.value
    }

    @Test func `a cache without a remote has nothing to say about running`() async throws {
        let world = try await World(.localOnly)
        try await world.namespace("n", of: Int.self).set(1, for: "k")
        #expect(world.log.all.isEmpty)
        let health = await world.cache.health()
        #expect(health.warnings.isEmpty)
        #expect(health.sync == nil)
        guard case .absent = health.remote.state, case .available = health.local.state else {
            Issue.record("wrong tier states")
            return
        }
    }

    @Test func `health names the tier that does not answer`() async throws {
        let world = try await World(.allTiers)
        world.remote.setOutage(CacheError(.remoteTimeout, "slow"))
        world.local.setOutage(.busy, on: [.reads, .feed])
        let health = await world.cache.health()
        #expect(health.warnings.count == 2)
        guard case .unavailable(let remote) = health.remote.state, case .unavailable(let local) = health.local.state
        else {
            Issue.record("wrong tier states")
            return
        }
        #expect(remote.code == .remoteTimeout)
        #expect(local.code == .storeBusy)
    }

    @Test func `maintenance that fails is logged when it begins, not at every step`() async throws {
        let world = try await World(.localOnly)
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount == 4 })
        world.local.setOutage(.inputOutput, on: [.reads, .feed])
        for _ in 0..<20 {
            world.clock.advance(by: .milliseconds(50))
            #expect(await eventually { world.clock.sleeperCount == 4 })
        }
        #expect(world.log.texts(.error).count == 1)
        run.cancel()
        await run.value
    }
}
