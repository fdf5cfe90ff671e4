/// Commands that travel together: encoded, with what their replies may be.
struct CommandBatch: Sendable {
    /// What a batch writes, for whoever keeps writes of one key in order.
    struct Writes: Sendable {
        /// The size of the largest value.
        var largestValue: Int
        /// The keys; not made before they are asked for.
        var keys: @Sendable () -> [String]
        /// Whether only a connection that a ``ConnectionFence`` has noted may carry it.
        var isFenced = false
    }

    /// The commands, encoded.
    var bytes: [UInt8]
    /// How many commands, and so replies.
    var count: Int
    /// How many values of full size one reply may hold.
    var valuesPerReply = 1
    /// Whether the commands can be sent again after a loss without harm.
    var isIdempotent = false
    /// What it writes; `nil` where it only reads, or where order among connections does not matter.
    var writes: Writes?
    /// Let go of once the batch is answered or its connection has ended, also when nobody waits for that any more.
    var hold: LaneKeys.Hold?

    init(_ writer: RESPWriter, valuesPerReply: Int = 1, isIdempotent: Bool = false) {
        bytes = writer.bytes
        count = writer.commandCount
        self.valuesPerReply = valuesPerReply
        self.isIdempotent = isIdempotent
    }

    /// The same with commands before it.
    func preceded(by writer: RESPWriter) -> CommandBatch {
        var batch = self
        batch.bytes = writer.bytes + bytes
        batch.count += writer.commandCount
        return batch
    }
}
