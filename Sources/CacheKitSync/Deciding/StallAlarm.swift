/// Says in the log that changes are pending and nothing moves; again each time the interval has passed.
struct StallAlarm: Sendable {
    private let interval: Duration
    /// By a clock that does not jump.
    private var since: Duration?

    init(after interval: Duration) {
        self.interval = interval
    }

    /// A batch has been settled.
    mutating func progressed(at now: Duration) { since = now }

    /// Nothing is pending, or another process pushes it.
    mutating func rested() { since = nil }

    /// A try failed; `true` when it is time to say so.
    mutating func failed(at now: Duration) -> Bool {
        guard let start = since else {
            since = now
            return false
        }
        guard now - start >= interval else { return false }
        since = now
        return true
    }
}
