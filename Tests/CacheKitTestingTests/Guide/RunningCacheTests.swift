import CacheKit
import CacheKitTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct RunningCacheTests {
    @Test func `what could not be sent is sent when the server is back`() async throws {
        let clock = ManualClock()
        let remote = SimulatedRemoteStore(clock: clock)
        let cache = try await Cache.testing(clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote)
        try await cache.running {
            remote.setOutage(.unavailable)
            try await cache.bytes.set([1], for: "k")
            // Let the background come to rest, then move time on.
            try await clock.waitForSleepers(4)
            remote.setOutage(nil)
            while remote.count == 0 {
                clock.advance(by: .seconds(10))
                await Task.yield()
            }
        }
        #expect(remote.value(of: try CacheKey("k")) != nil)
    }
}
