internal import CacheKitCore
internal import DequeModule
internal import Synchronization

/// One connection, shared by many tasks, that pipelines by itself; from login to its end.
///
/// Callers append encoded batches to one outgoing buffer. When nothing is in flight the caller itself writes, which saves
/// a thread switch; else the I/O thread writes what has gathered. That thread alone reads, and gives replies to batches
/// in the order in which they were sent.
final class RedisConnection: Sendable {
    /// The bounds that a connection keeps.
    struct Limits: Sendable {
        var commandTimeout: Duration
        var commandsInFlight: Int
        var bytesInFlight: Int
        var waitingCallers: Int
        var valueBytes: Int
        /// After so long without use the connection is closed; `nil` keeps it.
        var idleTimeout: Duration?
    }

    /// Why a connection ends.
    enum Ending: Sendable {
        /// The server or the network ended it.
        case lost(CacheError)
        /// Nothing of a reply came in time.
        case stalled
        /// What came was no reply, or too large: the caller whose reply was due gets this, the others a loss.
        case violated(CacheError)
        /// Nobody used it for long.
        case idle
        /// We closed it.
        case shutdown
    }

    struct State {
        var ending: Ending?
        /// Sent or being sent, in order.
        var pending: Deque<PendingBatch> = []
        /// How many of the first of `pending` have passed their deadline.
        var expiredCount = 0
        /// Not yet let in.
        var waiting: Deque<PendingBatch> = []
        var outgoing = OutgoingBuffer()
        var commandsInFlight = 0
        var bytesInFlight = 0
        var isWakeRequested = false
        var spinning = Spinning()
        /// The I/O thread sleeps without waiting for bytes: whoever sends looks out for the reply.
        var isReadByCallers = false
        /// Whether it ends with the last answer that is due.
        var isRetired = false
        /// What the I/O thread sleeps until at the latest; `nil` without end.
        var sleepsUntil: ContinuousClock.Instant?
        /// When bytes of a reply last came, bytes of the batch that is due were last taken, or the pipeline began to wait.
        var lastProgress = ContinuousClock.now
        var hasAnswered = false
        /// Whether nobody waited for anything when the connection ended.
        var endedIdle = false
        /// Whether whoever comes later knows of this connection, and ends it. It is kept, too: another would not be known.
        var isNoted = false
    }

    let limits: Limits
    let stream: any ByteStream
    let wakeup: Wakeup
    let state = Mutex(State())
    /// Who reads holds this; it may take the state's lock, never the other way round.
    let intake = Mutex<ReplyIntake?>(nil)
    /// Called on the I/O thread, once, before the first caller gets its replies.
    let onFirstAnswer: @Sendable () -> Void

    init(
        stream: any ByteStream, limits: Limits, onFirstAnswer: @escaping @Sendable () -> Void
    ) throws(CacheError) {
        guard let wakeup = Wakeup() else {
            throw CacheError(.remoteUnavailable, "no pipe for the Redis connection; raise the limit of open files")
        }
        self.stream = stream
        self.limits = limits
        self.wakeup = wakeup
        self.onFirstAnswer = onFirstAnswer
    }

    /// Sends a batch and waits for all its replies, in order. Error replies are values here.
    ///
    /// - Throws: `remoteTimeout` after the command deadline; `mayHaveBeenApplied` when the connection ends after any of
    ///   it was sent, `remoteUnavailable` before; `backPressure` when too many callers wait; `cancelled`.
    func send(_ batch: CommandBatch) async throws(CacheError) -> [RESPValue] {
        guard !Task.isCancelled else { throw .redisCancelled() }
        let pending = PendingBatch(batch, deadline: .now + limits.commandTimeout)
        submit(pending)
        return try await pending.result.value()
    }

    /// Sends a batch; what becomes of it is waited for, or not, by the result.
    func begin(_ batch: CommandBatch) -> OneShot<[RESPValue]> {
        let pending = PendingBatch(batch, deadline: .now + limits.commandTimeout)
        submit(pending)
        return pending.result
    }

    /// Whether it may carry what only noted connections may; from the first `note()` on.
    var isNoted: Bool { state.withLock { $0.isNoted } }

    /// Its id was noted, for whoever ends it.
    func note() { state.withLock { $0.isNoted = true } }

    /// Ends the connection; callers that wait get `shutdown`.
    func close() {
        end(.shutdown)
    }

    /// Ends the connection once everything that was asked is answered.
    func retire() {
        state.withLock { $0.isRetired = true }
        wakeup.wake()
    }

    private func submit(_ batch: PendingBatch) {
        enum Next {
            case fail(CacheError)
            case write(spins: Bool)
            case wake
            case wait
        }
        let next = state.withLock { state -> Next in
            if let ending = state.ending { return .fail(ending.errorBeforeSending) }
            if state.isRetired { return .fail(.redisNotSent(nil)) }
            guard state.waiting.isEmpty, state.hasRoom(for: batch, limits) else {
                guard state.waiting.count < limits.waitingCallers else { return .fail(.redisBackPressure()) }
                state.waiting.append(batch)
                return .wait
            }
            let wasIdle = state.pending.isEmpty
            state.enqueue(batch)
            guard wasIdle else { return state.requestWake() ? .wake : .wait }
            state.lastProgress = .now
            // The thread must not sleep past this deadline; after recent traffic it does not.
            guard let limit = state.sleepsUntil, limit <= batch.deadline else {
                return state.requestWake() ? .wake : .wait
            }
            let isSmall = Self.isSmall(batch)
            state.spinning.note(isSmall: isSmall)
            guard state.isReadByCallers else { return .write(spins: false) }
            return isSmall ? .write(spins: true) : state.requestWake() ? .wake : .wait
        }
        switch next {
        case .fail(let error): batch.result.finish(.failure(error))
        case .write(let spins):
            readUnasked()
            flush(onIOThread: false)
            if spins { spin(for: batch) }
        case .wake: wakeup.wake()
        case .wait: break
        }
    }

    /// Writes what waits. A caller writes once and leaves the rest to the I/O thread.
    ///
    /// - Returns: whether the socket takes no more for now.
    @discardableResult
    func flush(onIOThread: Bool) -> Bool {
        while let portion = state.withLock({ $0.ending == nil ? $0.outgoing.take() : nil }) {
            let progress = portion.bytes.withUnsafeBytes {
                stream.write(UnsafeRawBufferPointer(rebasing: $0[portion.offset...]))
            }
            var written = 0
            if case .bytes(let count) = progress { written = count }
            let needsWake = state.withLock { state -> Bool in
                if written > 0, state.isHeadLeaving { state.lastProgress = .now }
                state.outgoing.giveBack(portion, written: written)
                return !onIOThread && !state.outgoing.isEmpty && state.requestWake()
            }
            if needsWake { wakeup.wake() }
            switch progress {
            case .bytes: if !onIOThread { return false }
            case .wouldBlock: return true
            case .endOfStream: end(.lost(.redisClosed()))
            case .failed(let error): end(.lost(error))
            }
        }
        return false
    }

    /// Ends the connection once; gives every caller the error that is true for it.
    ///
    /// - Returns: whether it has ended; one that is not idle any more is not ended as such.
    @discardableResult
    func end(_ ending: Ending) -> Bool {
        let now = ContinuousClock.now
        let ended = state.withLock { state -> (Deque<PendingBatch>, Deque<PendingBatch>, UInt64)? in
            let isIdle = state.pending.isEmpty && state.waiting.isEmpty
            if case .idle = ending, !isIdle { return nil }
            guard state.ending == nil else { return nil }
            state.ending = ending
            state.endedIdle = isIdle
            defer {
                state.pending = []
                state.waiting = []
            }
            return (state.pending, state.waiting, state.outgoing.sentBound)
        }
        guard let (pending, waiting, sentBound) = ended else { return state.withLock { $0.ending != nil } }
        stream.shutDown()
        for (position, batch) in pending.enumerated() {
            if position == 0, case .violated(let error) = ending {
                batch.result.finish(.failure(error))
                continue
            }
            let wasSent = batch.streamOffset < sentBound
            batch.result.finish(.failure(ending.error(wasSent: wasSent, isLate: batch.deadline <= now)))
        }
        for batch in waiting {
            batch.result.finish(.failure(ending.error(wasSent: false, isLate: batch.deadline <= now)))
        }
        wakeup.wake()
        return true
    }
}

extension RedisConnection.State {
    /// Whether the write under way has bytes of the batch whose reply is due next. Others don't count: a server that takes
    /// commands and answers none would else never be given up on.
    ///
    /// Asked before the portion is given back: what it wrote is not counted as sent yet.
    var isHeadLeaving: Bool {
        guard let head = pending.first else { return false }
        return head.streamOffset + UInt64(head.byteCount) > outgoing.sentCount
    }

    func hasRoom(for batch: PendingBatch, _ limits: RedisConnection.Limits) -> Bool {
        // Alone, any batch may go: else one larger than the bound would wait for ever.
        pending.isEmpty
            || commandsInFlight + batch.count <= limits.commandsInFlight
                && bytesInFlight + batch.byteCount <= limits.bytesInFlight
    }

    mutating func enqueue(_ batch: PendingBatch) {
        batch.streamOffset = outgoing.appendedCount
        outgoing.append(batch.bytes)
        batch.bytes = []
        pending.append(batch)
        commandsInFlight += batch.count
        bytesInFlight += batch.byteCount
    }

    /// Lets in who waits, in order, as far as there is room. Those who gave up meanwhile are passed over.
    mutating func admit(_ limits: RedisConnection.Limits) {
        while let next = waiting.first {
            if next.result.isFinished {
                waiting.removeFirst()
            } else if hasRoom(for: next, limits) {
                waiting.removeFirst()
                enqueue(next)
            } else {
                return
            }
        }
    }

    /// Whether the caller has to wake the thread: the first to ask does.
    mutating func requestWake() -> Bool {
        defer { isWakeRequested = true }
        return !isWakeRequested
    }
}

extension RedisConnection.Ending {
    /// What a caller gets who comes after the end.
    var errorBeforeSending: CacheError { error(wasSent: false, isLate: false) }

    /// What ended the connection, for those who connect again.
    var cause: CacheError {
        switch self {
        case .lost(let error), .violated(let error): error
        case .stalled: .redisTimeout()
        case .idle: .redisClosed()
        case .shutdown: .redisShutdown()
        }
    }

    func error(wasSent: Bool, isLate: Bool) -> CacheError {
        switch self {
        case .shutdown: .redisShutdown()
        case .stalled where isLate: .redisTimeout()
        case .lost, .stalled, .violated, .idle: wasSent ? .redisUnanswered(cause) : .redisNotSent(cause)
        }
    }
}
