import CacheKit

/// When the remote is asked for its time, and what that says of this machine's clock.
struct ClockLearning: Sendable {
    /// Differences below this are left to whoever keeps the machine's time.
    static let tolerance = Duration.milliseconds(250)

    private let interval: Duration
    private var asked: (wall: Timestamp, uptime: Duration)?
    private var isForgotten = false

    init(interval: Duration) {
        self.interval = interval
    }

    /// Whether the remote's time should be asked for: it was not yet, or long ago, or the clock jumped since.
    func isDue(wall: Timestamp, uptime: Duration) -> Bool {
        guard let asked, !isForgotten else { return true }
        let passed = uptime - asked.uptime
        let jump = asked.wall.advanced(by: passed).duration(to: wall)
        return passed >= interval || abs(jump.wholeMilliseconds) > 1_000
    }

    /// After a failure the next try asks again.
    mutating func forget() { isForgotten = true }

    /// The remote's time now, as far as it is known: however the clock jumps, what is being decided goes on by this.
    func time(at uptime: Duration) -> Timestamp? {
        asked.map { $0.wall.advanced(by: uptime - $0.uptime) }
    }

    /// What to add to the clock, given the remote's time, when it was answered, and how long that took by a clock that does
    /// not jump.
    mutating func learn(
        _ remote: Timestamp, answeredAt: Timestamp, trip: Duration, uptime: Duration
    ) -> Duration {
        let difference = answeredAt.duration(to: remote.advanced(by: trip / 2))
        let isSure = abs(difference.wholeMilliseconds) > max(Self.tolerance, trip).wholeMilliseconds
        let correction = isSure ? difference : .zero
        asked = (answeredAt.advanced(by: correction), uptime)
        isForgotten = false
        return correction
    }
}
