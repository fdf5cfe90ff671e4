internal import CacheKitCore

/// A batch that was given to a connection, until its last reply or its end.
final class PendingBatch: @unchecked Sendable {
    // Unchecked because of `bytes`, which only changes under the connection's lock, and `replies`, which only its I/O
    // thread touches until the result is set.
    let count: Int
    let byteCount: Int
    let valuesPerReply: Int
    let deadline: ContinuousClock.Instant
    let hold: LaneKeys.Hold?
    let result = OneShot<[RESPValue]>()
    var bytes: [UInt8]
    var replies: [RESPValue] = []
    /// Where the batch begins in the connection's stream; set when it is queued for sending.
    var streamOffset: UInt64 = 0

    init(_ batch: CommandBatch, deadline: ContinuousClock.Instant) {
        count = batch.count
        byteCount = batch.bytes.count
        valuesPerReply = batch.valuesPerReply
        bytes = batch.bytes
        hold = batch.hold
        self.deadline = deadline
    }
}
