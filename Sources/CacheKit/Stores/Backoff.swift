/// How long to wait before the next try: exponential, capped, with full jitter.
///
/// A wait is drawn evenly between zero and `min(longest, first * 2^failures)` (Brooker, "Exponential Backoff And Jitter",
/// AWS Architecture Blog): many nodes that lost one server do not come back to it together. The random fraction is the
/// caller's, so that deciding stays repeatable.
package struct Backoff: Sendable {
    /// The bound of the first wait.
    package let first: Duration
    /// The bound of every wait.
    package let longest: Duration
    /// Failures in a row that ``next(fraction:)`` has counted.
    package private(set) var failures = 0

    package init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The wait after `count` earlier failures in a row. `fraction` is random, from 0 up to 1.
    package func wait(afterFailures count: Int, fraction: Double) -> Duration {
        let bound = min(longest, first * (1 << min(max(count, 0), 30)))
        return .nanoseconds(Int64(Double(bound.wholeMilliseconds) * 1_000_000 * fraction))
    }

    /// The wait after one more failure, which is counted.
    package mutating func next(fraction: Double) -> Duration {
        defer { failures += 1 }
        return wait(afterFailures: failures, fraction: fraction)
    }

    /// A success: the next failure is the first again.
    package mutating func reset() { failures = 0 }
}
