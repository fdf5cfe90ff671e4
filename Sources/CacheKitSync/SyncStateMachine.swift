import CacheKit

/// Decides what the engine does next: events in, actions out; no clock, no I/O, no randomness of its own.
///
/// One batch is in flight at a time. It is read from the feed above the cursor, sent, and settled: each of its changes has
/// then been applied, has expired, or is a dead letter, and the watermark moves past all of them at once. A batch whose outcome is
/// unknown is sent again, which changes nothing the second time; a smaller one where the remote did not answer in time.
struct SyncStateMachine: Sendable {
    enum Event: Sendable {
        /// There may be something to push: started, woken, or a wait is over.
        case ready
        /// What the feed holds above the cursor.
        case loaded([Change], now: Timestamp)
        /// The remote answered, one result for each write of the last send.
        case answered([RemoteWriteResult], fraction: Double)
        /// The remote, or the store, could not be asked.
        case failed(CacheError, fraction: Double)
        /// The settlement is durable.
        case settled
    }

    enum Action: Sendable, Equatable {
        /// Read the feed above this sequence, at most so many changes and about so many bytes.
        case load(after: ChangeSequence, changes: Int, bytes: Int)
        /// Send the batch in flight; its writes are ``SyncStateMachine/writes``.
        case send
        /// Move the watermark, setting ``SyncStateMachine/deadLetters`` aside.
        case settle(through: ChangeSequence)
        /// Nothing is left: wait to be woken, or until the idle interval is over.
        case rest
        /// Try again after this long, or when woken by an operator.
        case wait(Duration)
    }

    /// One change on its way.
    private struct Flight: Sendable {
        var change: Change
        var isExpired: Bool
        var outcome: Outcome?
    }

    private enum Outcome: Sendable {
        case applied
        case expired
        case deadLetter(CacheError)
    }

    private let attemptsPerChange: Int
    private var backoff: Backoff
    private var changeBound: BatchBound
    private var byteBound: BatchBound
    private var cursor: ChangeSequence
    private var flights: [Flight] = []
    /// How often the remote refused a change by itself, while its batch is tried again.
    private var refusals: [ChangeSequence: Int] = [:]
    private var now = Timestamp(milliseconds: 0)
    private(set) var activity = SyncStatus.Activity.idle
    private(set) var outcomes = SyncOutcomes()
    private(set) var lastError: CacheError?
    var consecutiveFailures: Int { backoff.failures }

    init(_ configuration: SyncConfiguration, watermark: ChangeSequence) {
        attemptsPerChange = configuration.attemptsPerChange
        backoff = Backoff(first: configuration.firstBackoff, longest: configuration.longestBackoff)
        changeBound = BatchBound(configuration.batchChanges)
        byteBound = BatchBound(configuration.batchBytes)
        cursor = watermark
    }

    /// What to send: the changes in flight that have no outcome yet.
    ///
    /// A put whose time was over before it was sent goes out as a delete: it would have replaced an older value, and be gone.
    var writes: [RemoteWrite] {
        flights.filter { $0.outcome == nil }.map { flight in
            guard let value = flight.change.entry.value, !flight.isExpired else {
                return RemoteWrite(key: flight.change.key, action: .delete)
            }
            let remaining = now.duration(to: flight.change.entry.expiresAt)
            return RemoteWrite(
                key: flight.change.key, action: .put(value, timeToLive: max(remaining, .milliseconds(1))))
        }
    }

    /// What the settlement sets aside.
    var deadLetters: [DeadLetter] {
        flights.compactMap { flight in
            guard case .deadLetter(let reason) = flight.outcome else { return nil }
            return DeadLetter(sequence: flight.change.entry.sequence, key: flight.change.key, reason: reason)
        }
    }

    /// Starts from the store's watermark, which another process may have moved.
    mutating func resume(at watermark: ChangeSequence) {
        cursor = watermark
        flights = []
    }

    mutating func handle(_ event: Event) -> Action {
        switch event {
        case .ready:
            activity = .pushing
            // A retry reads its batch again: lives are cut to what is left, and newer writes take part.
            flights = []
            return nextLoad
        case .loaded(let changes, let time):
            return load(changes, at: time)
        case .answered(let results, let fraction):
            return weigh(results, fraction)
        case .failed(let error, let fraction):
            return fail(error, fraction)
        case .settled:
            return settled()
        }
    }

    private var nextLoad: Action { .load(after: cursor, changes: changeBound.current, bytes: byteBound.current) }

    private mutating func load(_ changes: [Change], at time: Timestamp) -> Action {
        now = time
        flights = changes.map { change in
            Flight(
                change: change,
                isExpired: !change.entry.isTombstone && change.entry.expiresAt <= time)
        }
        guard !flights.isEmpty else {
            activity = .idle
            succeed()
            return .rest
        }
        return .send
    }

    private mutating func weigh(_ results: [RemoteWriteResult], _ fraction: Double) -> Action {
        let waiting = flights.indices.filter { flights[$0].outcome == nil }
        guard results.count == waiting.count else {
            return fail(CacheError(.internalFault, "the remote store answered for another number of writes"), fraction)
        }
        var refusal: CacheError?
        for (index, result) in zip(waiting, results) {
            switch result {
            case .applied:
                flights[index].outcome = flights[index].isExpired ? .expired : .applied
            case .failed(let error) where error.concernsOneChange:
                let attempts = refusals[flights[index].change.entry.sequence, default: 0] + 1
                refusals[flights[index].change.entry.sequence] = attempts
                if attempts >= attemptsPerChange {
                    flights[index].outcome = .deadLetter(error)
                } else {
                    refusal = refusal ?? error
                }
            case .failed(let error):
                return fail(error, fraction)
            }
        }
        if let refusal { return fail(refusal, fraction) }
        guard let last = flights.last else { return .rest }
        return .settle(through: last.change.entry.sequence)
    }

    private mutating func fail(_ error: CacheError, _ fraction: Double) -> Action {
        lastError = error
        if error.code == .remoteTimeout, flights.count > 1 {
            changeBound.timedOut(at: flights.count)
            byteBound.timedOut(at: flights.reduce(0) { $0 + ($1.change.entry.value?.count ?? 0) })
        }
        activity = error.needsOperator ? .paused : .backingOff
        let wait = backoff.next(fraction: fraction)
        // A wrong password is not mended by asking often: the longest wait, until then or until someone pushes by hand.
        return .wait(error.needsOperator ? backoff.longest : wait)
    }

    private mutating func settled() -> Action {
        for flight in flights {
            switch flight.outcome {
            case .applied: outcomes.applied += 1
            case .expired: outcomes.expired += 1
            case .deadLetter: outcomes.deadLettered += 1
            case nil: break
            }
        }
        if let last = flights.last { cursor = last.change.entry.sequence }
        flights = []
        changeBound.succeeded()
        byteBound.succeeded()
        succeed()
        return nextLoad
    }

    /// Everything so far has an outcome: what failed on the way is over.
    private mutating func succeed() {
        refusals = [:]
        lastError = nil
        backoff.reset()
    }
}

extension CacheError {
    /// Whether the remote refused this change by itself, so that others may go on.
    var concernsOneChange: Bool {
        switch code {
        case .remoteRejected, .valueTooLarge, .tamperedStore: true
        default: false
        }
    }

    /// Whether trying again can't help before somebody mends the configuration.
    var needsOperator: Bool {
        switch code {
        case .remoteAuthentication, .invalidConfiguration: true
        default: false
        }
    }
}
