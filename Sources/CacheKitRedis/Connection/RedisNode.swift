internal import CacheKit
internal import CacheKitCore
internal import Logging
internal import Synchronization

/// One server: its connection, made when it is first needed and again after a loss, never sooner than the backoff says.
///
/// A call made while a connection is being made waits for it. After a loss the first new attempt begins within the first
/// wait of the backoff and calls wait for it too; once the circuit breaker is open, calls fail at once, and one probes when
/// the next wait is over. Nothing runs while nobody calls.
final class RedisNode: Sendable {
    /// What is needed to connect.
    struct Settings: Sendable {
        var dialer: Dialer
        var login: Login
        /// Finds the server anew for each attempt; `nil` where it is always the dialer's.
        var source: (any ServerSource)?
        var credentials: (@Sendable () async throws -> RedisCredentials)?
        var connectTimeout: Duration
        var limits: RedisConnection.Limits
        /// Told of every connection; `nil` for one that nobody has to know of.
        var observer: (any ConnectionObserver)?
        var breaker: CircuitBreaker
        /// Values of at least so many bytes travel on a second connection; `nil` for one connection only.
        var largeValueBytes: Int?
        /// How long the second connection is kept without use.
        var largeValueIdle = Duration.seconds(30)
    }

    let settings: Settings
    let logger: Logger
    let state: Mutex<State>
    let lane: LargeValueLane?

    init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        state = Mutex(State(breaker: settings.breaker))
        lane = LargeValueLane(settings, logger: logger)
    }

    deinit {
        close()
    }

    /// Sends a batch and waits for its replies; sends it once more after a loss where that is harmless.
    func send(_ batch: CommandBatch) async throws(CacheError) -> [RESPValue] {
        if let lane, let writes = batch.writes, lane.takes(writes) {
            return try await send(batch, writing: writes, over: lane)
        }
        return try await sendTellingConnection(batch).replies
    }

    /// Sends a batch over the first connection, and says which one that was: it may have been made anew.
    func sendTellingConnection(
        _ batch: CommandBatch
    ) async throws(CacheError) -> (replies: [RESPValue], connection: RedisConnection) {
        let first = try await pass()
        do throws(CacheError) {
            return (try await send(batch, over: first), first.connection)
        } catch {
            // What was never sent had no effect (a server closes idle connections), and what only reads has none.
            guard error.code == .remoteUnavailable || error.code == .mayHaveBeenApplied && batch.isIdempotent else {
                throw error
            }
        }
        let second = try await pass()
        do throws(CacheError) {
            return (try await send(batch, over: second), second.connection)
        } catch {
            guard error.code == .mayHaveBeenApplied, batch.isIdempotent else { throw error }
            throw .redisNotSent(error.cause as? CacheError)
        }
    }

    /// Ends the connection and every wait; later calls get `shutdown`.
    func close() {
        lane?.node.close()
        let phase = state.withLock { state in
            defer { state.phase = .closed }
            return state.phase
        }
        switch phase {
        case .connecting(let attempt):
            for task in attempt.tasks { task.cancel() }
            for waiter in attempt.waiters { waiter.finish(.failure(.redisShutdown())) }
        case .connected(let connection): connection.close()
        case .idle, .closed: break
        }
    }

    /// Whether there is a connection now.
    var isConnected: Bool {
        state.withLock { state in
            if case .connected = state.phase { true } else { false }
        }
    }

    /// Waits for a connection that the breaker lets the caller use.
    private func pass() async throws(CacheError) -> Pass {
        let (next, probe) = state.withLock { $0.admit(waitingCallers: settings.limits.waitingCallers) }
        do throws(CacheError) {
            switch next {
            case .ready(let connection): return Pass(connection: connection, probe: probe)
            case .fail(let error): throw error
            case .wait(let waiter): return Pass(connection: try await waiter.value(), probe: probe)
            case .start(let number, let begin, let waiter):
                start(number, at: begin)
                return Pass(connection: try await waiter.value(), probe: probe)
            }
        } catch {
            probeEnded(probe)
            throw error
        }
    }

    private func send(_ batch: CommandBatch, over pass: Pass) async throws(CacheError) -> [RESPValue] {
        defer { probeEnded(pass.probe) }
        if batch.writes?.isFenced == true, !pass.connection.isNoted { throw .redisNotNoted() }
        do throws(CacheError) {
            return try await pass.connection.send(batch)
        } catch {
            // The I/O thread says so too, but perhaps only after the caller's next call would have found the same connection.
            lost(pass.connection)
            throw error
        }
    }
}

extension RedisNode {
    /// Making one connection, and who waits for it.
    struct Attempt {
        var number: UInt64
        var waiters: [OneShot<RedisConnection>] = []
        var tasks: [Task<Void, Never>] = []
        /// Where it leads, once that is found; stays `nil` where that is always the same.
        var endpoint: RedisEndpoint?
    }

    enum Phase {
        case idle
        case connecting(Attempt)
        case connected(RedisConnection)
        case closed
    }

    /// What a caller who needs a connection does.
    enum Next {
        case ready(RedisConnection)
        case wait(OneShot<RedisConnection>)
        case start(UInt64, at: ContinuousClock.Instant, OneShot<RedisConnection>)
        case fail(CacheError)
    }

    struct State {
        /// A resolver or a credentials provider that hangs outlives its attempt; that many may, before new ones wait.
        static let maximumUnfinishedAttempts = 4

        var phase = Phase.idle
        /// Where the last connection led, if that can change.
        var endpoint: RedisEndpoint?
        /// How often in a row a server was left because it was not the right one.
        var departures = 0
        var breaker: CircuitBreaker
        /// Why there was no connection the last time.
        var failure: CacheError?
        /// Whether the last connection ended with commands unanswered, and no other was made since.
        var lostUnanswered = false
        /// How many attempts were ever made.
        var attempts: UInt64 = 0
        /// Attempts whose thread or provider has not come back, those that were given up included.
        var unfinishedAttempts = 0
        /// Since when the server is away; `nil` while it answers.
        var outageBegan: ContinuousClock.Instant?

        mutating func next(waitingCallers: Int) -> Next {
            switch phase {
            case .connected(let connection): return .ready(connection)
            case .closed: return .fail(.redisShutdown())
            case .connecting(var attempt):
                guard attempt.waiters.count < max(1, waitingCallers) else { return .fail(.redisBackPressure()) }
                let waiter = OneShot<RedisConnection>()
                // Let go of the list before adding to it, so that it is not copied for each waiter.
                phase = .idle
                attempt.waiters.append(waiter)
                phase = .connecting(attempt)
                return .wait(waiter)
            case .idle: return begin(at: breaker.retryAt ?? .now)
            }
        }

        /// Begins an attempt anew for those who wait for the present one, or for nobody; `nil` when too many hang.
        mutating func restart(for waiters: [OneShot<RedisConnection>]) -> UInt64? {
            guard unfinishedAttempts < Self.maximumUnfinishedAttempts else { return nil }
            attempts += 1
            unfinishedAttempts += 1
            phase = .connecting(Attempt(number: attempts, waiters: waiters))
            return attempts
        }

        private mutating func begin(at begin: ContinuousClock.Instant) -> Next {
            guard unfinishedAttempts < Self.maximumUnfinishedAttempts else { return .fail(.redisConnectTimeout()) }
            attempts += 1
            unfinishedAttempts += 1
            let waiter = OneShot<RedisConnection>()
            phase = .connecting(Attempt(number: attempts, waiters: [waiter]))
            return .start(attempts, at: begin, waiter)
        }
    }
}
