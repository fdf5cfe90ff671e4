internal import CacheKitCore
internal import DequeModule
internal import Synchronization

// What the I/O thread does. Everything here runs on that thread only.
extension RedisConnection {
    /// The size of one read; what a socket buffer usually holds.
    private static let readSize = 64 << 10
    /// Reads before deadlines and writes get their turn again.
    private static let readsPerTurn = 16

    /// Reads and writes until the connection ends. Blocks.
    func runLoop(reader: RESPReader) {
        let intake = ReplyIntake(reader, bufferSize: Self.readSize)
        self.intake.withLock { $0 = intake }
        defer { self.intake.withLock { $0 = nil } }
        var isBlocked = false
        while true {
            let (until, isReading, isEnded) = prepareToSleep()
            guard !isEnded else { return }
            let isHolding = self.intake.withLock { _ in stream.holdsReceivedBytes }
            let ready = Poll.wait(
                stream: stream.descriptor, reading: isReading, writing: isBlocked, wakeup: wakeup.descriptor,
                until: isHolding ? .now : until)
            if ready.isWoken { wakeup.drain() }
            state.withLock {
                $0.isWakeRequested = false
                $0.sleepsUntil = .now
                $0.isReadByCallers = false
            }
            if !isBlocked || ready.isWritable { isBlocked = flush(onIOThread: true) }
            if ready.isReadable || isHolding { readReplies() }
            if !isBlocked { isBlocked = flush(onIOThread: true) }
        }
    }

    /// Fails what is late, then says how long to sleep at most.
    private func prepareToSleep() -> (until: ContinuousClock.Instant?, isReading: Bool, isEnded: Bool) {
        let now = ContinuousClock.now
        var late: [PendingBatch] = []
        let (until, isEnded, ending, isReading) = state.withLock {
            state -> (ContinuousClock.Instant?, Bool, Ending?, Bool) in
            guard state.ending == nil else { return (nil, true, nil, true) }
            if state.isRetired, state.pending.isEmpty, state.waiting.isEmpty {
                return (nil, false, .lost(.redisClosed()), true)
            }
            // Every batch has the same time, so deadlines are in the order of the queues.
            while state.expiredCount < state.pending.count, state.pending[state.expiredCount].deadline <= now {
                late.append(state.pending[state.expiredCount])
                state.expiredCount += 1
            }
            while let first = state.waiting.first, first.deadline <= now {
                late.append(first)
                state.waiting.removeFirst()
            }
            let stallsAt = state.lastProgress + limits.commandTimeout
            if !state.pending.isEmpty, state.expiredCount > 0, stallsAt <= now { return (nil, false, .stalled, true) }
            let idlesUntil = state.isNoted ? nil : limits.idleTimeout.map { state.lastProgress + $0 }
            if state.pending.isEmpty, let idlesUntil, idlesUntil <= now { return (nil, false, .idle, true) }
            state.sleepsUntil = state.sleepLimit(now: now, stallsAt: stallsAt, idlesUntil: idlesUntil)
            state.isReadByCallers =
                Poll.noticesHangUp && state.pending.isEmpty && state.sleepsUntil != nil && state.spinning.isPromising
            return (state.sleepsUntil, false, nil, !state.isReadByCallers)
        }
        for batch in late { batch.result.finish(.failure(.redisTimeout())) }
        guard let ending else { return (until, isReading, isEnded) }
        // Somebody may have come since: then it is not idle any more.
        return (now, true, end(ending))
    }

    private func readReplies() {
        for _ in 0..<Self.readsPerTurn {
            let isMore = intake.withLock { intake in intake.map { readOnce($0) } }
            guard isMore == true else { return }
        }
    }

    /// Takes what has come, as much as the buffer holds; whether there may be more. Whoever calls holds the intake's lock.
    @discardableResult
    func readOnce(_ intake: ReplyIntake) -> Bool {
        switch stream.read(into: intake.buffer) {
        case .bytes(let count):
            if let ending = take(UnsafeRawBufferPointer(rebasing: intake.buffer[..<count]), intake.reader) {
                end(ending)
                return false
            }
            return count == intake.buffer.count
        case .wouldBlock: return false
        case .endOfStream: end(.lost(.redisClosed()))
        case .failed(let error): end(.lost(error))
        }
        return false
    }

    /// Gives complete replies to the batches they belong to; how the connection ends when what came is no reply.
    private func take(_ bytes: UnsafeRawBufferPointer, _ reader: RESPReader) -> Ending? {
        // All callers are resumed after all replies were read: one by one, each would wake a thread that falls asleep again
        // before the next has its reply.
        var finished: [PendingBatch] = []
        defer { for batch in finished { batch.finish() } }
        do throws(CacheError) {
            try reader.feed(bytes)
            let (first, wasAsked) = state.withLock { $0.beginReading() }
            // Not the fault of the batch that is waiting to be sent.
            guard wasAsked else { return .lost(.redisUnexpectedReply()) }
            guard var head = first else {
                // Nothing was asked: any reply now is one too many.
                guard try reader.next() == nil else { throw .redisUnexpectedReply() }
                return nil
            }
            while try head.read(from: reader) {
                let (isFirst, next) = state.withLock { $0.finishHead(limits) }
                if isFirst { onFirstAnswer() }
                finished.append(head)
                guard let next else {
                    guard try reader.next() == nil else { throw .redisUnexpectedReply() }
                    return nil
                }
                head = next
            }
            return nil
        } catch {
            return .violated(error)
        }
    }
}

extension PendingBatch {
    /// Takes replies as far as they have come; `true` when all have.
    fileprivate func read(from reader: RESPReader) throws(CacheError) -> Bool {
        var replies = replies
        self.replies = []
        defer { self.replies = replies }
        if replies.isEmpty { replies.reserveCapacity(count) }
        while replies.count < count {
            guard let reply = try reader.next(valueCount: valuesPerReply) else { return false }
            replies.append(reply)
        }
        return true
    }

    /// Resumes the caller with all replies.
    fileprivate func finish() {
        let replies = replies
        self.replies = []
        result.finish(.success(replies))
    }
}

extension RedisConnection.State {
    /// Something came: notes it, and gives the batch that it is for. It can't be for one of which nothing was sent yet.
    fileprivate mutating func beginReading() -> (first: PendingBatch?, wasAsked: Bool) {
        lastProgress = .now
        guard let first = pending.first else { return (nil, true) }
        return (first, first.streamOffset < outgoing.sentBound)
    }

    /// The head was answered: makes room for who waits. Says whether it was the first of the connection, and which is next.
    fileprivate mutating func finishHead(_ limits: RedisConnection.Limits) -> (isFirst: Bool, next: PendingBatch?) {
        guard let head = pending.popFirst() else { return (false, nil) }
        defer { hasAnswered = true }
        commandsInFlight -= head.count
        bytesInFlight -= head.byteCount
        expiredCount = max(0, expiredCount - 1)
        admit(limits)
        return (!hasAnswered, pending.first)
    }

    /// The next deadline. After traffic the thread stays half awake for one command's time, so that a caller who finds
    /// the connection idle need not wake it.
    fileprivate func sleepLimit(
        now: ContinuousClock.Instant, stallsAt: ContinuousClock.Instant, idlesUntil: ContinuousClock.Instant?
    ) -> ContinuousClock.Instant? {
        guard !pending.isEmpty else { return stallsAt > now ? min(stallsAt, idlesUntil ?? stallsAt) : idlesUntil }
        // Between an expired head and the end of its stall, only the stall is left to wait for.
        let next = expiredCount < pending.count ? pending[expiredCount].deadline : stallsAt
        let limit = expiredCount > 0 ? min(next, max(stallsAt, now)) : next
        return waiting.first.map { min($0.deadline, limit) } ?? limit
    }
}
