internal import CacheKit
internal import CacheKitCore
internal import Synchronization

// A node whose server can be elsewhere at another time.
extension RedisNode {
    /// Where the present connection leads; `nil` without one.
    var connectedEndpoint: RedisEndpoint? {
        state.withLock { state in
            guard case .connected = state.phase else { return nil }
            return state.endpoint
        }
    }

    /// How many attempts to connect were ever made: says for ``leave(_:because:)`` whether a connection is still the same.
    var generation: UInt64 { state.withLock { $0.attempts } }

    /// Notes where an attempt leads.
    func aim(_ number: UInt64, at endpoint: RedisEndpoint) {
        state.withLock { state in
            guard case .connecting(var attempt) = state.phase, attempt.number == number else { return }
            attempt.endpoint = endpoint
            state.phase = .connecting(attempt)
        }
    }

    /// Ends the present connection, unless it leads to the endpoint where the server is now, and makes the next one at
    /// once: also in place of a backoff, and of an attempt that leads elsewhere and may wait for a server that is gone.
    ///
    /// - Parameter isNews: whether an attempt that only just asks may get an older answer.
    func reconnect(because error: CacheError, to endpoint: RedisEndpoint, isNews: Bool) {
        lane?.node.reconnect(because: error, to: endpoint, isNews: isNews)
        let (number, ended, tasks) = state.withLock { state -> (UInt64?, RedisConnection?, [Task<Void, Never>]) in
            switch state.phase {
            case .closed: return (nil, nil, [])
            case .connected(let connection):
                guard state.endpoint != endpoint else { return (nil, nil, []) }
                state.phase = .idle
                state.startAnew()
                state.lostUnanswered = true
                return (state.restart(for: []), connection, [])
            case .connecting(let attempt):
                guard attempt.endpoint.map({ $0 != endpoint }) ?? isNews else { return (nil, nil, []) }
                state.startAnew()
                guard let number = state.restart(for: attempt.waiters) else { return (nil, nil, []) }
                return (number, nil, attempt.tasks)
            case .idle:
                // One that nobody uses yet is not connected for this, one that waits is.
                guard state.breaker.retryAt != nil else { return (nil, nil, []) }
                state.startAnew()
                return (state.restart(for: []), nil, [])
            }
        }
        for task in tasks { task.cancel() }
        ended?.end(.lost(error))
        if let number { start(number, at: .now) }
    }

    /// Lets no further call use the connection of that generation; what was sent on it still gets its answers. Calls wait
    /// for the next one as after a loss, so that a server that refuses everything is not asked without a pause.
    func leave(_ generation: UInt64, because error: CacheError) {
        // The refusal may have come over the lane; its generation is not known here.
        if let lane { lane.node.leave(lane.node.generation, because: error) }
        let left = state.withLock { state -> RedisConnection? in
            guard case .connected(let connection) = state.phase, state.attempts == generation else { return nil }
            let wait = settings.breaker.backoff.wait(
                afterFailures: min(state.departures, 3), fraction: .random(in: 0..<1))
            state.departures += 1
            state.phase = .idle
            state.failure = error
            state.lostUnanswered = true
            state.breaker.postpone(until: .now + wait)
            return connection
        }
        left?.retire()
    }
}
