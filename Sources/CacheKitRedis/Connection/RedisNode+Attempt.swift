internal import CacheKit
internal import CacheKitCore
internal import Logging
internal import Synchronization

/// Lets an attempt and an I/O thread reach the node without keeping it alive.
private struct Reference: Sendable {
    weak let node: RedisNode?
}

// One attempt to connect, from the credentials to the login, and what comes after.
extension RedisNode {
    func start(_ number: UInt64, at begin: ContinuousClock.Instant) {
        let begin = max(begin, .now)
        let deadline = begin + settings.connectTimeout
        let settings = settings
        // Not tasks of the caller: it may be cancelled, and others wait for the same connection.
        let reference = Reference(node: self)
        let connecting = Task.detached {
            var settings = settings
            do {
                if begin > .now { try await Task.sleep(until: begin, clock: .continuous) }
                if let provider = settings.credentials { settings.login.credentials = try await provider() }
                let complete = settings
                try IOThread.start { Self.runConnection(complete, number, deadline: deadline, of: reference) }
            } catch {
                reference.node?.finishAttempt()
                reference.node?.fail(number, with: Self.credentialsError(error))
            }
        }
        // The provider and the system's resolver keep no deadline of ours.
        let timing = Task.detached {
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            reference.node?.fail(number, with: .redisConnectTimeout())
        }
        let isUnderWay = state.withLock { state -> Bool in
            guard case .connecting(var attempt) = state.phase, attempt.number == number else { return false }
            attempt.tasks = [connecting, timing]
            state.phase = .connecting(attempt)
            return true
        }
        guard !isUnderWay else { return }
        connecting.cancel()
        timing.cancel()
    }

    /// The life of the I/O thread.
    private static func runConnection(
        _ settings: Settings, _ number: UInt64, deadline: ContinuousClock.Instant, of reference: Reference
    ) {
        let connection: RedisConnection
        let reader: RESPReader
        let endpoint: RedisEndpoint
        do throws(CacheError) {
            defer { reference.node?.finishAttempt() }
            let opened = try settings.open(deadline: deadline) { reference.node?.aim(number, at: $0) }
            reader = opened.reader
            endpoint = opened.endpoint
            connection = try RedisConnection(stream: opened.stream, limits: settings.limits) {
                reference.node?.answered()
            }
        } catch {
            reference.node?.fail(number, with: error)
            return
        }
        settings.observer?.connected(connection, to: endpoint)
        defer { settings.observer?.lost(connection, from: endpoint) }
        guard reference.node?.succeed(number, with: connection, to: endpoint) == true else { return connection.close() }
        connection.runLoop(reader: reader)
        reference.node?.lost(connection)
    }

    private func finishAttempt() {
        state.withLock { $0.unfinishedAttempts -= 1 }
    }

    private func succeed(_ number: UInt64, with connection: RedisConnection, to endpoint: RedisEndpoint) -> Bool {
        let succeeded = state.withLock { state -> (attempt: Attempt, before: RedisEndpoint?)? in
            guard case .connecting(let attempt) = state.phase, attempt.number == number else { return nil }
            defer { state.endpoint = endpoint }
            state.phase = .connected(connection)
            state.lostUnanswered = false
            return (attempt, state.endpoint)
        }
        guard let (attempt, before) = succeeded else { return false }
        for task in attempt.tasks { task.cancel() }
        logger.debug("connected to Redis")
        if let before, before != endpoint {
            logger.notice("the Redis master has moved", metadata: ["from": "\(before)", "to": "\(endpoint)"])
        }
        for waiter in attempt.waiters { waiter.finish(.success(connection)) }
        return true
    }

    private func fail(_ number: UInt64, with error: CacheError) {
        let ended = state.withLock { state -> (attempt: Attempt, isNew: Bool)? in
            guard case .connecting(let attempt) = state.phase, attempt.number == number else { return nil }
            state.failed(CircuitBreaker.Failure(attempt: error), error)
            return (attempt, state.beginOutage())
        }
        guard let ended else { return }
        for task in ended.attempt.tasks { task.cancel() }
        logger.log(
            level: ended.isNew ? .warning : .debug, "no connection to Redis", metadata: ["error": "\(error)"])
        for waiter in ended.attempt.waiters { waiter.finish(.failure(error)) }
    }

    /// The connection has ended; the first who says so decides what follows.
    func lost(_ connection: RedisConnection) {
        let (ending, hasAnswered, wasIdle) = connection.state.withLock {
            ($0.ending, $0.hasAnswered, $0.endedIdle)
        }
        guard let ending else { return }
        let isNew = state.withLock { state -> Bool? in
            guard case .connected(let current) = state.phase, current === connection else { return nil }
            // A server that lets us in and hangs up without an answer, again and again, counts like one that does not.
            state.failed(CircuitBreaker.Failure(ending), .redisNotSent(ending.cause))
            if case .idle = ending { return false }
            if !wasIdle { state.lostUnanswered = true }
            // Servers and routers close idle connections; that harms nobody.
            return hasAnswered && wasIdle ? false : state.beginOutage()
        }
        guard let isNew else { return }
        logger.log(
            level: isNew ? .warning : .debug, "the connection to Redis was lost",
            metadata: ["error": "\(ending.cause)"])
    }

    /// A new connection has answered its first command.
    private func answered() {
        let began = state.withLock { state in
            defer { state.outageBegan = nil }
            state.breaker.answered()
            return state.outageBegan
        }
        guard let began else { return }
        logger.notice("Redis answers again", metadata: ["after": "\(began.duration(to: .now))"])
    }

    static func credentialsError(_ error: any Error) -> CacheError {
        if let error = error as? CacheError { return error }
        // The provider's own text may hold a secret.
        return CacheError(.remoteAuthentication, "the credentials provider failed; check where it gets them")
    }
}

extension RedisNode.State {
    /// Notes that the server is away; `true` the first time. The log tells of an outage when it begins and when it ends.
    fileprivate mutating func beginOutage() -> Bool {
        guard outageBegan == nil else { return false }
        outageBegan = .now
        return true
    }
}
