internal import CacheKit
internal import CacheKitCore

/// Cuts long calls into batches, so that one of them neither fills the pipeline nor holds up other callers for long.
enum Chunks {
    /// At most so many keys or writes in one batch.
    static let maximumCount = 1_024
    /// About so many bytes; always at least one element.
    static let maximumBytes = 1 << 20

    static func ofKeys(_ keys: [CacheKey]) -> [Range<Int>] {
        cut(keys.count) { keys[$0].string.utf8.count }
    }

    static func ofWrites(_ writes: [RemoteWrite]) -> [Range<Int>] {
        cut(writes.count) { index in
            guard case .put(let value, _) = writes[index].action else { return writes[index].key.string.utf8.count }
            return writes[index].key.string.utf8.count + value.count
        }
    }

    private static func cut(_ count: Int, size: (Int) -> Int) -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var start = 0
        var bytes = 0
        for index in 0..<count {
            let next = size(index)
            if index > start, index - start == maximumCount || bytes + next > maximumBytes {
                chunks.append(start..<index)
                start = index
                bytes = 0
            }
            bytes += next
        }
        if start < count { chunks.append(start..<count) }
        return chunks
    }
}

/// `MULTI`, then `PTTL` and `GET` of each key, then `EXEC`, in groups
/// (https://redis.io/docs/latest/develop/interact/transactions/): a value and its remaining life are of one moment.
enum ReadCommands {
    /// Small, because the values of a transaction come as one reply, which is held whole, and the server does nothing
    /// else meanwhile; large enough that `MULTI` and `EXEC` cost little.
    static let keysPerTransaction = 32

    /// The batch, and how many keys each transaction has.
    static func encode(_ keys: ArraySlice<CacheKey>) -> (batch: CommandBatch, groups: [Int]) {
        var writer = RESPWriter(reservingBytes: keys.count * 128)
        var groups: [Int] = []
        var rest = keys
        while !rest.isEmpty {
            let group = rest.prefix(keysPerTransaction)
            rest = rest.dropFirst(group.count)
            writer.command("MULTI")
            for key in group {
                writer.command("PTTL", key.string)
                writer.command("GET", key.string)
            }
            writer.command("EXEC")
            groups.append(group.count)
        }
        return (CommandBatch(writer, valuesPerReply: groups.max() ?? 1, isIdempotent: true), groups)
    }

    /// Adds the entries of each transaction.
    static func decode(
        _ replies: [RESPValue], _ groups: [Int], into entries: inout [RemoteEntry?]
    ) throws(CacheError) {
        var index = 0
        for group in groups {
            let end = index + 2 * group + 1
            // A command that could not be queued (no permission, loading) says why; EXEC only says that there was one.
            for reply in replies[index..<end] {
                if case .error(let text) = reply { throw .redisReply(text) }
            }
            switch replies[end] {
            case .array(let elements) where elements.count == 2 * group:
                for pair in stride(from: 0, to: elements.count, by: 2) {
                    entries.append(try entry(remaining: elements[pair], value: elements[pair + 1]))
                }
            case .error(let text): throw .redisReply(text)
            default: throw .redisUnexpectedReply()
            }
            index = end + 1
        }
    }

    /// `PTTL` gives -2 for no key and -1 for no expiry (https://redis.io/docs/latest/commands/pttl/).
    private static func entry(remaining: RESPValue, value: RESPValue) throws(CacheError) -> RemoteEntry? {
        switch (remaining, value) {
        case (_, .null): return nil
        case (_, .error(let text)):
            guard text.hasPrefix("WRONGTYPE") else { throw .redisReply(text) }
            return nil
        case (.error(let text), _): throw .redisReply(text)
        case (.integer(let milliseconds), .bulkString(let bytes)):
            return RemoteEntry(value: bytes, remaining: milliseconds < 0 ? nil : .milliseconds(milliseconds))
        default: throw .redisUnexpectedReply()
        }
    }
}

/// `SET key value PX milliseconds` (https://redis.io/docs/latest/commands/set/) and `DEL key`.
enum WriteCommands {
    /// Redis refuses an expiry whose absolute time overflows; 100 years are as good as for ever.
    private static let maximumMilliseconds: Int64 = 100 * 365 * 86_400_000

    static func encode(_ writes: ArraySlice<RemoteWrite>) -> CommandBatch {
        let size = writes.reduce(0) { sum, write in
            guard case .put(let value, _) = write.action else { return sum + write.key.string.utf8.count + 32 }
            return sum + write.key.string.utf8.count + value.count + 64
        }
        var writer = RESPWriter(reservingBytes: size)
        for write in writes {
            switch write.action {
            case .put(let value, let timeToLive):
                writer.begin(argumentCount: 5)
                writer.append("SET")
                writer.append(write.key.string)
                writer.append(value)
                writer.append("PX")
                writer.append(min(max(timeToLive.wholeMilliseconds, 1), maximumMilliseconds))
            case .delete:
                writer.command("DEL", write.key.string)
            }
        }
        return CommandBatch(writer)
    }

    static func result(of write: RemoteWrite, _ reply: RESPValue) throws(CacheError) -> RemoteWriteResult {
        switch (write.action, reply) {
        case (_, .error(let text)): return .failed(.redisReply(text))
        case (.put, .simpleString), (.delete, .integer): return .applied
        default: throw .redisUnexpectedReply()
        }
    }
}
