internal import CacheKit
internal import CacheKitCore

/// `MULTI`, `MGET` of all keys, `PTTL` of each, `EXEC`, in groups
/// (https://redis.io/docs/latest/develop/interact/transactions/): a value and its remaining life are of one moment. `MGET`
/// costs server and client less than a `GET` of each, and gives null for a key of another type. Where Redis is out of memory,
/// a script in the place of the transaction.
struct ReadOperation: KeyedOperation {
    /// Small, because the values of a transaction come as one reply, which is held whole, and the server does nothing
    /// else meanwhile; large enough that `MULTI` and `EXEC` cost little.
    static let keysPerTransaction = 32

    private static let script = """
        local results = {redis.call('MGET', unpack(KEYS))}
        for index, key in ipairs(KEYS) do results[index + 1] = redis.call('PTTL', key) end
        return results
        """

    var reading = AtomicReading.transaction

    var isIdempotent: Bool { true }
    var maximumUnitCount: Int { Self.keysPerTransaction }

    func valuesPerReply(unitCount: Int) -> Int { unitCount }
    func key(of element: CacheKey) -> String { element.string }
    func byteCount(of element: CacheKey) -> Int { 2 * element.string.utf8.count + 48 }

    func alternative(after replies: ArraySlice<RESPValue>) -> ReadOperation? {
        reading.alternative(after: replies).map { ReadOperation(reading: $0) }
    }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        if reading == .script {
            return writer.command(["EVAL", Self.script, String(unit.count)] + unit.map(\.string))
        }
        writer.command("MULTI")
        writer.begin(argumentCount: unit.count + 1)
        writer.append("MGET")
        for key in unit { writer.append(key.string) }
        for key in unit {
            writer.begin(argumentCount: 2)
            writer.append("PTTL")
            writer.append(key.string)
        }
        writer.command("EXEC")
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into entries: inout [RemoteEntry?]
    ) throws(CacheError) {
        let results = try reading.results(replies)
        guard results.count == unit.count + 1 else { throw .redisUnexpectedReply() }
        switch results[0] {
        case .array(let values) where values.count == unit.count:
            for position in values.indices {
                entries.append(try Self.entry(remaining: results[position + 1], value: values[position]))
            }
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    /// `PTTL` gives -2 for no key and -1 for no expiry (https://redis.io/docs/latest/commands/pttl/).
    static func entry(remaining: RESPValue, value: RESPValue) throws(CacheError) -> RemoteEntry? {
        switch (remaining, value) {
        case (.error(let text), _): throw .redisReply(text)
        case (_, .null): return nil
        case (.integer(let milliseconds), .bulkString(let bytes)):
            return RemoteEntry(value: bytes, remaining: milliseconds < 0 ? nil : .milliseconds(milliseconds))
        default: throw .redisUnexpectedReply()
        }
    }
}
