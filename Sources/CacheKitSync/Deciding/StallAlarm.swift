import CacheKit

/// Says in the log that changes are pending and nothing moves; again each time the interval has passed.
struct StallAlarm: Sendable {
    private let interval: Duration
    private var since: Timestamp?

    init(after interval: Duration) {
        self.interval = interval
    }

    /// A batch has been settled.
    mutating func progressed(at now: Timestamp) { since = now }

    /// Nothing is pending, or another process pushes it.
    mutating func rested() { since = nil }

    /// A try failed; `true` when it is time to say so.
    mutating func failed(at now: Timestamp) -> Bool {
        guard let start = since else {
            since = now
            return false
        }
        guard start.duration(to: now) >= interval else { return false }
        since = now
        return true
    }
}
