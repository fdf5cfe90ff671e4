import Synchronization

/// A machine's clock with what is known of its error: what everything in a cache goes by.
///
/// The error is learned from the remote while there is one, and not kept. Without a remote it is the machine's clock. Once the
/// remote was asked, a jump of the machine's clock moves nothing here: it shows against the uptime, which does not jump.
public final class CorrectedClock: CacheClock {
    private let base: any CacheClock
    /// Milliseconds to add.
    private let offset = Atomic<Int64>(0)
    /// What the machine's clock said when it was last compared with the uptime; the least number before the first time.
    private let comparedAt = Atomic<Int64>(.min)
    private let comparison = Mutex<(wall: Timestamp, uptime: Duration)?>(nil)

    /// The clock is compared with the uptime once in so many of its milliseconds, and when it goes backward.
    private static let interval: Int64 = 1_000
    /// What differs by more was set by somebody; less is how a clock is kept right.
    private static let jump: Int64 = 1_000

    /// A clock whose error is not known yet.
    public init(_ base: any CacheClock) {
        self.base = base
    }

    /// The machine's wall time and what it lacks; may jump.
    public func now() -> Timestamp {
        let wall = base.now()
        let compared = comparedAt.load(ordering: .relaxed)
        guard compared != .min, !(0..<Self.interval).contains(wall.milliseconds &- compared) else {
            return wall.advanced(by: .milliseconds(offset.load(ordering: .relaxed)))
        }
        return compare()
    }

    private func compare() -> Timestamp {
        comparison.withLock { last in
            let (wall, uptime) = (base.now(), base.uptime())
            if let last {
                let jump = last.wall.advanced(by: uptime - last.uptime).duration(to: wall).wholeMilliseconds
                if abs(jump) > Self.jump { offset.subtract(jump, ordering: .relaxed) }
            }
            last = (wall, uptime)
            comparedAt.store(wall.milliseconds, ordering: .relaxed)
            return wall.advanced(by: .milliseconds(offset.load(ordering: .relaxed)))
        }
    }

    /// Waits by the machine's clock.
    public func sleep(for duration: Duration) async throws { try await base.sleep(for: duration) }

    /// The machine's own.
    public func uptime() -> Duration { base.uptime() }

    /// Moves the clock by what it turned out to lack, zero for nothing; from then on it is known to be right.
    public func correct(by difference: Duration) {
        offset.add(difference.wholeMilliseconds, ordering: .relaxed)
        _ = compare()
    }
}
