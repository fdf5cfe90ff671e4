import CacheKit
import CacheKitSync
import Testing

struct BackoffTests {
    @Test func `the first wait is below 50 ms with the default configuration`() {
        let configuration = SyncConfiguration()
        var backoff = Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
        #expect(backoff.next(fraction: 0.999_999) < .milliseconds(50))
        #expect(backoff.wait(afterFailures: 0, fraction: 0.999_999) < .milliseconds(50))
        #expect(backoff.wait(afterFailures: .max, fraction: 1) == configuration.longestBackoff)
    }

    @Test func `waits double up to the cap and stay there, however many failures`() {
        var backoff = Backoff(first: .milliseconds(40), longest: .seconds(1))
        let waits = (0..<200).map { _ in backoff.next(fraction: 1).wholeMilliseconds }
        #expect(waits.prefix(6) == [40, 80, 160, 320, 640, 1000])
        #expect(waits.dropFirst(5).allSatisfy { $0 == 1000 })
        #expect(backoff.failures == 200)
    }

    @Test func `jitter covers the whole range from zero`() {
        var backoff = Backoff(first: .milliseconds(40), longest: .seconds(1))
        #expect(backoff.next(fraction: 0) == .zero)
        #expect(backoff.next(fraction: 0.5) == .milliseconds(40))
        #expect(backoff.next(fraction: 0.25) == .milliseconds(40))
    }

    @Test func `a success starts over`() {
        var backoff = Backoff(first: .milliseconds(40), longest: .seconds(1))
        for _ in 0..<10 { _ = backoff.next(fraction: 1) }
        backoff.reset()
        #expect(backoff.failures == 0)
        #expect(backoff.next(fraction: 1) == .milliseconds(40))
    }

    @Test func `a cap of centuries does not overflow`() {
        var backoff = Backoff(first: .milliseconds(49), longest: .seconds(Int64.max / 2))
        for _ in 0..<100 { #expect(backoff.next(fraction: 1) >= .zero) }
    }
}
