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
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.readSize, alignment: 16)
        defer { buffer.deallocate() }
        var isBlocked = false
        while true {
            let (until, isEnded) = prepareToSleep()
            guard !isEnded else { return }
            let ready = Poll.wait(
                stream: stream.descriptor, writing: isBlocked, wakeup: wakeup.descriptor, until: until)
            if ready.isWoken { wakeup.drain() }
            state.withLock {
                $0.isWakeRequested = false
                $0.sleepsUntil = .now
            }
            if !isBlocked || ready.isWritable { isBlocked = flush(onIOThread: true) }
            if ready.isReadable { readReplies(reader, buffer) }
            if !isBlocked { isBlocked = flush(onIOThread: true) }
        }
    }

    /// Fails what is late, then says how long to sleep at most.
    private func prepareToSleep() -> (until: ContinuousClock.Instant?, isEnded: Bool) {
        let now = ContinuousClock.now
        var late: [PendingBatch] = []
        let (until, isEnded, isStalled) = state.withLock { state -> (ContinuousClock.Instant?, Bool, Bool) in
            guard state.ending == nil else { return (nil, true, false) }
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
            if !state.pending.isEmpty, state.expiredCount > 0, stallsAt <= now { return (nil, false, true) }
            state.sleepsUntil = state.sleepLimit(now: now, stallsAt: stallsAt, idle: limits.commandTimeout)
            return (state.sleepsUntil, false, false)
        }
        for batch in late { batch.result.finish(.failure(.redisTimeout())) }
        guard isStalled else { return (until, isEnded) }
        end(.stalled)
        return (nil, true)
    }

    private func readReplies(_ reader: RESPReader, _ buffer: UnsafeMutableRawBufferPointer) {
        for _ in 0..<Self.readsPerTurn {
            switch stream.read(into: buffer) {
            case .bytes(let count):
                state.withLock { $0.lastProgress = .now }
                do throws(CacheError) {
                    try reader.feed(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    try deliver(reader)
                } catch {
                    end(.violated(error))
                    return
                }
                if count < buffer.count { return }
            case .wouldBlock: return
            case .endOfStream:
                end(.lost(.redisClosed()))
                return
            case .failed(let error):
                end(.lost(error))
                return
            }
        }
    }

    /// Gives complete replies to the batches they belong to.
    private func deliver(_ reader: RESPReader) throws(CacheError) {
        while true {
            guard let head = state.withLock({ $0.pending.first }) else {
                // Nothing was asked: any reply now is one too many.
                guard try reader.next() == nil else { throw .redisUnexpectedReply() }
                return
            }
            if head.replies.isEmpty { head.replies.reserveCapacity(head.count) }
            while head.replies.count < head.count {
                guard let reply = try reader.next(valueCount: head.valuesPerReply) else { return }
                head.replies.append(reply)
            }
            if state.withLock({ $0.finishHead(limits) }) { onFirstAnswer() }
            head.result.finish(.success(head.replies))
            head.replies = []
        }
    }
}

extension RedisConnection.State {
    /// The head was answered: makes room for who waits. Says whether it was the first of the connection.
    fileprivate mutating func finishHead(_ limits: RedisConnection.Limits) -> Bool {
        guard let head = pending.popFirst() else { return false }
        defer { hasAnswered = true }
        commandsInFlight -= head.count
        bytesInFlight -= head.byteCount
        expiredCount = max(0, expiredCount - 1)
        admit(limits)
        return !hasAnswered
    }

    /// The next deadline. After traffic the thread stays half awake for one command's time, so that a caller who finds
    /// the connection idle need not wake it.
    fileprivate func sleepLimit(
        now: ContinuousClock.Instant, stallsAt: ContinuousClock.Instant, idle: Duration
    ) -> ContinuousClock.Instant? {
        guard !pending.isEmpty else { return stallsAt > now ? stallsAt : nil }
        // Between an expired head and the end of its stall, only the stall is left to wait for.
        let next = expiredCount < pending.count ? pending[expiredCount].deadline : stallsAt
        let limit = expiredCount > 0 ? min(next, max(stallsAt, now)) : next
        return waiting.first.map { min($0.deadline, limit) } ?? limit
    }
}
