internal import CacheKit

/// Decides whether a server is asked at all: closed, open after failures in a row, half-open for one probe at a time
/// (Nygard, "Release It!", chapter "Stability Patterns").
///
/// It is told what the transport saw, never what a caller made of it, and decides only: time and randomness are given. How
/// long it stays open is the backoff's next wait, so that one rule says when a server is tried again.
///
/// ```
///              failed, below the threshold
///                 +----+
///                 v    |     failed: the threshold reached, silence or refusal
///   +---------> closed-+-----------------------------------------------------> open
///   | answered                                                               ^      | admitted after `retryAt`
///   +------------------------------------ half-open <--------------------------------+
///                                             |           failed             |
///                                             +------------------------------+
/// ```
struct CircuitBreaker: Sendable {
    /// What the transport saw.
    enum Failure: Sendable, Equatable {
        /// Refused, reset or closed: known at once, and cheap to try again.
        case loss
        /// Nothing came for a whole deadline. Every caller has paid for that in full, so it opens the breaker at once.
        case silence
        /// A server that answers and does not let us in, or an address that may not be used: the same login ends the same
        /// way, so it opens the breaker at once. A `lasting` one does not mend itself, and tries may lock the user out.
        case refusal(isLasting: Bool)
    }

    /// What a call does.
    enum Verdict: Sendable, Equatable {
        /// It goes on.
        case pass
        /// It goes on and finds out for all others; what it got is told with ``probeEnded(_:)``.
        case probe(UInt64)
        /// It fails at once; the next probe may begin after this long, or is under way (`nil`).
        case refuse(retryAfter: Duration?)
    }

    private enum State: Equatable {
        case closed
        case open
        case halfOpen(probe: UInt64?)
    }

    /// After a lasting refusal nobody tries for at least so long.
    static let lastingWait = Duration.seconds(1)

    /// So many failures in a row open it.
    let threshold: Int
    let backoff: Backoff
    private var state = State.closed
    private var probes: UInt64 = 0
    /// Failures since a command was last answered.
    private(set) var failures = 0
    /// Before this, nobody connects; `nil` after an answer.
    private(set) var retryAt: ContinuousClock.Instant?

    init(threshold: Int, backoff: Backoff) {
        self.threshold = threshold
        self.backoff = backoff
    }

    /// Where it stands, for people and metrics.
    var stand: RemoteBreaker {
        switch state {
        case .closed: .closed
        case .halfOpen: .halfOpen
        case .open: .open
        }
    }

    /// Whether every call goes on.
    var isClosed: Bool { state == .closed }

    /// Asks for one call.
    mutating func admit(at now: ContinuousClock.Instant) -> Verdict {
        switch state {
        case .closed: return .pass
        case .open:
            if let wait = openFor(at: now) { return .refuse(retryAfter: wait) }
        case .halfOpen(.some): return .refuse(retryAfter: nil)
        case .halfOpen(nil): break
        }
        probes += 1
        state = .halfOpen(probe: probes)
        return .probe(probes)
    }

    /// How long it still refuses everyone; `nil` when the next call is a probe or passes. Changes nothing.
    func openFor(at now: ContinuousClock.Instant) -> Duration? {
        guard state == .open, let retryAt, retryAt > now else { return nil }
        return now.duration(to: retryAt)
    }

    /// The probe is over. Unless its outcome was told too (its caller was cancelled), another call may probe.
    mutating func probeEnded(_ probe: UInt64) {
        if state == .halfOpen(probe: probe) { state = .halfOpen(probe: nil) }
    }

    /// A command was answered, whatever the answer: an error reply comes from a server that lives.
    mutating func answered() {
        state = .closed
        failures = 0
        retryAt = nil
    }

    /// Nobody connects before then, though nothing has failed.
    mutating func postpone(until time: ContinuousClock.Instant) {
        retryAt = time
    }

    /// A connection could not be made, or ended while it was needed. `fraction` is random, from 0 up to 1.
    mutating func failed(_ failure: Failure, at now: ContinuousClock.Instant, fraction: Double) {
        var wait = backoff.wait(afterFailures: failures, fraction: fraction)
        failures += 1
        var opens = state != .closed || failures >= threshold
        switch failure {
        case .loss: break
        case .silence, .refusal(isLasting: false): opens = true
        case .refusal(isLasting: true):
            opens = true
            wait = max(wait, min(Self.lastingWait, backoff.longest))
        }
        retryAt = now.advanced(by: wait)
        if opens { state = .open }
    }
}
