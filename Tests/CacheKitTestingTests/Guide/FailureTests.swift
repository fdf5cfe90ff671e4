import CacheKit
import CacheKitTesting
import Testing

struct FailureTests {
    @Test func `a full disk is an error to whoever writes, and nothing is half stored`() async throws {
        let clock = ManualClock()
        let local = SimulatedLocalStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, local: local)
        try await cache.bytes.set([1], for: "k")
        local.failNext(.diskFull, on: .writes)
        await #expect {
            try await cache.bytes.set([2], for: "k")
        } throws: { error in
            (error as? CacheError)?.code == .diskFull
        }
        #expect(try await cache.bytes.get("k") == [1])
    }

    @Test func `a lost reply changes nothing for whoever reads`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote)
        try await cache.bytes.set([1], for: "k")
        remote.failNext(.replyLost, on: .writes)
        // The server has it, and nobody here knows.
        #expect(await cache.push(deadline: .seconds(1), retrying: false)?.backlog.changes == 1)
        #expect(remote.count == 1)
        #expect(await cache.push(deadline: .seconds(1), retrying: false)?.backlog.changes == 0)
    }

    @Test func `what the server lost is loaded again`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, remote: remote) { $0.memory.maximumBytes = 0 }
        #expect(try await cache.bytes.getOrSet("k") { [1] } == [1])
        remote.evict(try CacheKey("k"))
        #expect(try await cache.bytes.getOrSet("k") { [2] } == [2])
        remote.loseEverything()
        #expect(try await cache.bytes.get("k") == nil)
    }

    @Test func `a slow server holds up whoever asks it`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, remote: remote)
        remote.setDelay(.seconds(3), on: .reads)
        let reading = Task { try await cache.bytes.get("k") }
        try await clock.waitForSleepers(1)
        clock.advance(by: .seconds(3))
        #expect(try await reading.value == nil)
    }
}
