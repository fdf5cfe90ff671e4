internal import CacheKit
internal import CacheKitCore
internal import Synchronization

// What the node tells its circuit breaker, and what callers get while that is open.
extension RedisNode {
    /// A connection that a caller may use, and whether it probes.
    struct Pass {
        var connection: RedisConnection
        var probe: UInt64?
    }

    /// The caller that probes is done, with or without an outcome.
    func probeEnded(_ probe: UInt64?) {
        guard let probe else { return }
        state.withLock { $0.breaker.probeEnded(probe) }
    }

    /// Its own breaker, or that of its lane for large values, whichever is less good.
    var breaker: RemoteBreaker {
        max(state.withLock { $0.breaker.stand }, lane?.node.breaker ?? .closed)
    }

    /// Sentences for an operator while a breaker is not closed: this node's, or that of its lane for large values.
    var warnings: [String] {
        let own = state.withLock { state -> String? in
            guard !state.breaker.isClosed else { return nil }
            let wait = state.breaker.openFor(at: .now)
            return "the circuit breaker of a Redis server is open: "
                + CircuitBreaker.prospect(failures: state.breaker.failures, retryAfter: wait)
        }
        let ofLane = lane?.node.warnings ?? []
        return (own.map { [$0] } ?? []) + ofLane.map { "for large values, \($0)" }
    }
}

extension RedisNode.State {
    /// What a caller does, as far as the breaker lets it.
    mutating func admit(waitingCallers: Int) -> (RedisNode.Next, probe: UInt64?) {
        if breaker.isClosed { return (next(waitingCallers: waitingCallers), nil) }
        // A node that is closed says so, not that its server is away.
        if case .closed = phase { return (.fail(.redisShutdown()), nil) }
        switch breaker.admit(at: .now) {
        case .pass: return (next(waitingCallers: waitingCallers), nil)
        case .probe(let probe): return (next(waitingCallers: waitingCallers), probe)
        case .refuse(let wait): return (.fail(refusal(retryAfter: wait)), nil)
        }
    }

    /// What a caller gets who is not let through.
    func refusal(retryAfter wait: Duration?) -> CacheError {
        // The server's own words say what to mend, also while nobody asks it again.
        if let failure, case .refusal = CircuitBreaker.Failure(attempt: failure) { return failure }
        return .redisBreakerOpen(failures: breaker.failures, retryAfter: wait, failure)
    }

    /// The server is elsewhere: what was seen of the other one does not count.
    mutating func startAnew() {
        breaker.answered()
        departures = 0
    }

    /// There is no connection any more; `nil` where that is nobody's failure.
    mutating func failed(_ failure: CircuitBreaker.Failure?, _ error: CacheError) {
        phase = .idle
        self.failure = error
        departures = 0
        guard let failure else { return }
        breaker.failed(failure, at: .now, fraction: .random(in: 0..<1))
    }
}

extension CircuitBreaker {
    /// Where an open breaker stands, in words.
    static func prospect(failures: Int, retryAfter wait: Duration?) -> String {
        let next = wait.map { "it tries again in \(max(1, $0.wholeMilliseconds)) ms" } ?? "the next call tries again"
        return "failures in a row: \(failures), \(next)"
    }
}

extension CircuitBreaker.Failure {
    /// A connection could not be made.
    init(attempt error: CacheError) {
        switch error.code {
        case .remoteTimeout: self = .silence
        case .remoteAuthentication, .invalidConfiguration: self = .refusal(isLasting: true)
        case .remoteNotReady, .remoteRejected: self = .refusal(isLasting: false)
        default: self = .loss
        }
    }

    /// A connection ended; `nil` where we ended it.
    init?(_ ending: RedisConnection.Ending) {
        switch ending {
        case .lost, .violated: self = .loss
        case .stalled: self = .silence
        case .idle, .shutdown: return nil
        }
    }
}
