internal import CacheKitCore
internal import Logging
internal import Synchronization

/// The second connection of a server, for batches with a large value, so that small ones need not wait behind them.
///
/// It is made when a large value is first written, and closed when it has been idle. Writes of one key stay in order, as on
/// one connection, also after a caller has given up waiting:
/// - a write of a key that has a write on the lane follows it there, whatever its size, and so does the next one after a
///   write whose outcome stayed open;
/// - a batch enters the lane once everything sent before it on the other connection is answered, or that was lost and made anew.
///   Login and reconnecting put what a lost connection left in the server's buffers behind us, as on one connection.
///
/// Reads go over the other connection: how large a value is shows only when it comes.
final class LargeValueLane: Sendable {
    let node: RedisNode
    let keys = LaneKeys()
    private let threshold: Int

    /// `nil` where no value is large.
    init?(_ settings: RedisNode.Settings, logger: Logger) {
        guard let threshold = settings.largeValueBytes else { return nil }
        self.threshold = threshold
        var settings = settings
        settings.largeValueBytes = nil
        settings.observer = nil
        settings.limits.idleTimeout = settings.largeValueIdle
        var logger = logger
        logger[metadataKey: "lane"] = "large values"
        node = RedisNode(settings, logger: logger)
    }

    /// Whether a batch belongs here.
    func takes(_ writes: CommandBatch.Writes) -> Bool {
        writes.largestValue >= threshold || !keys.isEmpty && keys.containsAny(of: writes.keys())
    }
}

extension RedisNode {
    /// Sends a batch over the lane.
    func send(_ batch: CommandBatch, writing writes: CommandBatch.Writes, over lane: LargeValueLane)
        async throws(CacheError) -> [RESPValue]
    {
        // The lane has a breaker of its own; what is known here of the server counts for it too.
        let refusal = state.withLock { state in
            state.breaker.openFor(at: .now).map { state.refusal(retryAfter: $0) }
        }
        if let refusal { throw refusal }
        var batch = batch
        // From here on, writes of these keys come to the lane.
        let hold = lane.keys.hold(writes.keys())
        batch.hold = hold
        try await settleEarlier()
        let mark = lane.keys.mark
        do throws(CacheError) {
            let replies = try await lane.node.send(batch)
            lane.keys.settle(before: mark)
            return replies
        } catch {
            if ![.remoteUnavailable, .backPressure, .shutdown].contains(error.code) { lane.keys.linger(hold) }
            throw error
        }
    }

    /// Waits until everything that was sent before is answered, or its connection replaced. A server answers in order, so that
    /// one more answer is enough.
    private func settleEarlier() async throws(CacheError) {
        let isSettled = state.withLock { state in
            guard case .connected(let connection) = state.phase else { return !state.lostUnanswered }
            // It may have ended, and the node not been told yet.
            return connection.state.withLock { $0.ending == nil ? $0.pending.isEmpty : $0.endedIdle }
        }
        guard !isSettled else { return }
        var writer = RESPWriter()
        writer.command("PING")
        // Sent again where the connection is lost meanwhile: over one that was made after it.
        _ = try await send(CommandBatch(writer, isIdempotent: true))
    }
}
