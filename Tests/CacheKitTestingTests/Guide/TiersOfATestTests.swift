import CacheKit
import CacheKitTesting
import Testing

struct TiersOfATestTests {
    @Test func `a change reaches the other node once it is pushed`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let key = try MasterKey.generate()
        let here = try await Cache.testing(
            key: key, clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote)
        let there = try await Cache.testing(key: key, clock: clock, remote: remote)
        try await here.bytes.set([1, 2, 3], for: "k")
        #expect(try await there.bytes.get("k") == nil)
        let status = await here.push(deadline: .seconds(1), retrying: false)
        #expect(status?.backlog.changes == 0)
        #expect(try await there.bytes.get("k") == [1, 2, 3])
    }
}
