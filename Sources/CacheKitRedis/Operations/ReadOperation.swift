internal import CacheKit
internal import CacheKitCore

/// `MULTI`, then `PTTL` and `GET` of each key, then `EXEC`, in groups
/// (https://redis.io/docs/latest/develop/interact/transactions/): a value and its remaining life are of one moment.
struct ReadOperation: KeyedOperation {
    var isIdempotent: Bool { true }
    /// Small, because the values of a transaction come as one reply, which is held whole, and the server does nothing
    /// else meanwhile; large enough that `MULTI` and `EXEC` cost little.
    var maximumUnitCount: Int { 32 }

    func valuesPerReply(unitCount: Int) -> Int { unitCount }
    func key(of element: CacheKey) -> String { element.string }
    func byteCount(of element: CacheKey) -> Int { 2 * element.string.utf8.count + 48 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        writer.command("MULTI")
        for key in unit {
            writer.command("PTTL", key.string)
            writer.command("GET", key.string)
        }
        writer.command("EXEC")
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into entries: inout [RemoteEntry?]
    ) throws(CacheError) {
        // A command that could not be queued (no permission, loading) says why; EXEC only says that there was one.
        for reply in replies.dropLast() {
            if case .error(let text) = reply { throw .redisReply(text) }
        }
        switch replies.last {
        case .array(let elements) where elements.count == 2 * unit.count:
            for pair in stride(from: 0, to: elements.count, by: 2) {
                entries.append(try Self.entry(remaining: elements[pair], value: elements[pair + 1]))
            }
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
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
