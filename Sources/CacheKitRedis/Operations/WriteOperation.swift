internal import CacheKit
internal import CacheKitCore

/// `SET key value PX milliseconds` (https://redis.io/docs/latest/commands/set/), `DEL key`, and `PEXPIRE key milliseconds`.
struct WriteOperation: KeyedOperation {
    /// Redis refuses an expiry whose absolute time overflows; 100 years are as good as for ever.
    private static let maximumMilliseconds: Int64 = 100 * 365 * 86_400_000

    /// A life as Redis takes it.
    static func milliseconds(_ timeToLive: Duration) -> Int64 {
        min(max(timeToLive.wholeMilliseconds, 1), maximumMilliseconds)
    }

    /// Whether only connections that a note names may carry it.
    var isFenced = false

    var isIdempotent: Bool { false }
    var maximumUnitCount: Int { 1 }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of element: RemoteWrite) -> String { element.key.string }

    func byteCount(of element: RemoteWrite) -> Int {
        guard case .put(let value, _) = element.action else { return element.key.string.utf8.count + 32 }
        return element.key.string.utf8.count + value.count + 64
    }

    func valueByteCount(of element: RemoteWrite) -> Int {
        guard case .put(let value, _) = element.action else { return 0 }
        return value.count
    }

    func encode(_ unit: ArraySlice<RemoteWrite>, into writer: inout RESPWriter) {
        for write in unit {
            switch write.action {
            case .put(let value, let timeToLive):
                writer.begin(argumentCount: 5)
                writer.append("SET")
                writer.append(write.key.string)
                writer.append(value)
                writer.append("PX")
                writer.append(Self.milliseconds(timeToLive))
            case .delete:
                writer.command("DEL", write.key.string)
            case .expire(let timeToLive):
                writer.begin(argumentCount: 3)
                writer.append("PEXPIRE")
                writer.append(write.key.string)
                writer.append(Self.milliseconds(timeToLive))
            }
        }
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<RemoteWrite>, into results: inout [RemoteWriteResult]
    ) throws(CacheError) {
        for (write, reply) in zip(unit, replies) {
            switch (write.action, reply) {
            case (_, .error(let text)): results.append(.failed(.redisReply(text)))
            case (.expire, .integer(0)): results.append(.missing)
            case (.put, .simpleString), (.delete, .integer), (.expire, .integer): results.append(.applied)
            default: throw .redisUnexpectedReply()
            }
        }
    }

    func output(after error: CacheError) -> RemoteWriteResult? { .failed(error) }
}
