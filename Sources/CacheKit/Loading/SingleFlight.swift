import Synchronization

/// Runs one action per key at a time and gives its result to everyone who asks meanwhile.
///
/// The action runs in a task of its own: a caller who is cancelled leaves at once with `CancellationError` and disturbs
/// nobody; only when the last one has left is the action cancelled. A key is free again as soon as its action has ended,
/// however it ended. Bounded by the number of waiting callers.
final class SingleFlight<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private typealias Waiter = CheckedContinuation<Value, any Error>

    private struct Flight {
        let id: UInt64
        var task: Task<Void, Never>?
        var waiters: [UInt64: Waiter] = [:]
        /// Whether somebody runs it who lands it, whoever leaves.
        var isClaimed = false
    }

    /// The right, and the duty, to land the flight of a key.
    struct Claim: Sendable {
        let key: Key
        fileprivate let flightID: UInt64
    }

    private struct State {
        var flights: [Key: Flight] = [:]
        var nextID: UInt64 = 0

        mutating func newID() -> UInt64 {
            nextID += 1
            return nextID
        }
    }

    private let state = Mutex(State())
    /// Where actions run; the default pool for `nil`.
    private let executor: (any TaskExecutor)?
    private let startsInPlace: Bool

    /// - Parameter startsInPlace: Whether an action begins on the thread of the caller who starts it, until it first waits. One
    ///   that is quickly done then needs no other thread to be woken, twice; until it waits, that caller can't leave.
    init(executor: (any TaskExecutor)? = nil, startsInPlace: Bool = false) {
        self.executor = executor
        self.startsInPlace = startsInPlace
    }

    /// How many actions are running.
    var count: Int { state.withLock { $0.flights.count } }

    /// How many callers wait.
    var waiterCount: Int { state.withLock { $0.flights.values.reduce(0) { $0 + $1.waiters.count } } }

    /// The result of the running action for `key`, or of `action`, which is started.
    func run(_ key: Key, _ action: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try Task.checkCancellation()
        let waiter = state.withLock { $0.newID() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                join(key, waiter, continuation, action)
            }
        } onCancel: {
            leave(key, waiter)
        }
    }

    private func join(
        _ key: Key, _ waiter: UInt64, _ continuation: Waiter, _ action: @escaping @Sendable () async throws -> Value
    ) {
        // The handler may have run before there was anything to leave.
        if Task.isCancelled {
            continuation.resume(throwing: CancellationError())
            return
        }
        let flightID: UInt64? = state.withLock { state in
            if state.flights[key] != nil {
                state.flights[key]?.waiters[waiter] = continuation
                return nil
            }
            let id = state.newID()
            state.flights[key] = Flight(id: id, waiters: [waiter: continuation])
            return id
        }
        if let flightID {
            let task = start { [self] in
                let result: Result<Value, any Error>
                do { result = .success(try await action()) } catch { result = .failure(error) }
                land(key, flightID, result)
            }
            let isAbandoned = state.withLock { state in
                guard state.flights[key]?.id == flightID else { return true }
                state.flights[key]?.task = task
                return false
            }
            // Everyone left before there was a task to cancel, or it has landed already, which this does not change.
            if isAbandoned { task.cancel() }
        }
        // A cancellation between the first check and joining found nobody to wake; look again.
        if Task.isCancelled { leave(key, waiter) }
    }

    private func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        if startsInPlace, executor == nil, #available(macOS 26, *) { return Task.immediate { await body() } }
        return Task(executorPreference: executor) { await body() }
    }

    private func leave(_ key: Key, _ waiter: UInt64) {
        let (continuation, abandoned): (Waiter?, Task<Void, Never>?) = state.withLock { state in
            guard let continuation = state.flights[key]?.waiters.removeValue(forKey: waiter) else { return (nil, nil) }
            guard state.flights[key]?.waiters.isEmpty == true else { return (continuation, nil) }
            if state.flights[key]?.isClaimed == true { return (continuation, nil) }
            // The next caller starts afresh instead of joining an action that is being cancelled.
            return (continuation, state.flights.removeValue(forKey: key)?.task)
        }
        abandoned?.cancel()
        continuation?.resume(throwing: CancellationError())
    }

    /// Begins a flight for each key that has none; `nil` for those that have one. Each claim has to be landed, or abandoned.
    func claim(_ keys: [Key]) -> [Claim?] {
        state.withLock { state in
            keys.map { key in
                guard state.flights[key] == nil else { return nil }
                let id = state.newID()
                state.flights[key] = Flight(id: id, isClaimed: true)
                return Claim(key: key, flightID: id)
            }
        }
    }

    /// Gives everyone who waits for a claimed flight its result.
    func land(_ claim: Claim, _ result: Result<Value, any Error>) { land(claim.key, claim.flightID, result) }

    /// Gives claims up if nobody waits for any of them; else they still have to be landed.
    func abandon(_ claims: [Claim]) -> Bool {
        state.withLock { state in
            func flight(_ claim: Claim) -> Flight? {
                state.flights[claim.key].flatMap { $0.id == claim.flightID ? $0 : nil }
            }
            guard claims.allSatisfy({ flight($0)?.waiters.isEmpty ?? true }) else { return false }
            for claim in claims where flight(claim) != nil { state.flights[claim.key] = nil }
            return true
        }
    }

    private func land(_ key: Key, _ flightID: UInt64, _ result: Result<Value, any Error>) {
        let waiters = state.withLock { state -> [Waiter] in
            guard state.flights[key]?.id == flightID else { return [] }
            return state.flights.removeValue(forKey: key).map { Array($0.waiters.values) } ?? []
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}
