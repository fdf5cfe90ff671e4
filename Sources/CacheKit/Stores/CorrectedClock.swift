import Synchronization

/// A machine's clock with what is known of its error: what everything in a cache goes by.
///
/// The error is learned from the remote while there is one, and not kept. Without a remote it is the machine's clock.
public final class CorrectedClock: CacheClock {
    private let base: any CacheClock
    /// Milliseconds to add.
    private let offset = Atomic<Int64>(0)

    /// A clock whose error is not known yet.
    public init(_ base: any CacheClock) {
        self.base = base
    }

    /// The machine's wall time and what it lacks; may jump.
    public func now() -> Timestamp {
        base.now().advanced(by: .milliseconds(offset.load(ordering: .relaxed)))
    }

    /// Waits by the machine's clock.
    public func sleep(for duration: Duration) async throws { try await base.sleep(for: duration) }

    /// The machine's own.
    public func uptime() -> Duration { base.uptime() }

    /// Moves the clock by what it turned out to lack.
    public func correct(by difference: Duration) {
        offset.add(difference.wholeMilliseconds, ordering: .relaxed)
    }
}
