internal import CacheKit
internal import CacheKitCore

/// `GETRANGE key -16 -1` and `PTTL` of each key (https://redis.io/docs/latest/commands/getrange/): tells whether a sealed value is
/// still the one that is known, for 40 bytes. No transaction: a value that is the same may have been given another life
/// in between, which is told then.
struct GlanceOperation: KeyedOperation {
    private static let keysPerUnit = 64

    var isIdempotent: Bool { true }
    /// One that lags behind would show what was there before a change that was told.
    var mayAskReplica: Bool { false }
    var maximumUnitCount: Int { Self.keysPerUnit }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of key: CacheKey) -> String { key.string }
    func byteCount(of key: CacheKey) -> Int { 2 * key.string.utf8.count + 80 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        for key in unit {
            Self.encodeTail(of: key, into: &writer)
            writer.begin(argumentCount: 2)
            writer.append("PTTL")
            writer.append(key.string)
        }
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into glances: inout [RemoteGlance]
    ) throws(CacheError) {
        guard replies.count == 2 * unit.count else { throw .redisUnexpectedReply() }
        var position = replies.startIndex
        for _ in unit {
            let tail = try Self.tail(replies[position])
            switch replies[position + 1] {
            // -2: gone in between; -1: no end (https://redis.io/docs/latest/commands/pttl/).
            case .integer(let milliseconds):
                glances.append(
                    RemoteGlance(
                        tail: milliseconds == -2 ? nil : tail,
                        remaining: milliseconds < 0 ? nil : .milliseconds(milliseconds)))
            case .error(let text): throw .redisReply(text)
            default: throw .redisUnexpectedReply()
            }
            position += 2
        }
    }

    static func encodeTail(of key: CacheKey, into writer: inout RESPWriter) {
        writer.begin(argumentCount: 4)
        writer.append("GETRANGE")
        writer.append(key.string)
        writer.append("-16")
        writer.append("-1")
    }

    static func tail(_ reply: RESPValue) throws(CacheError) -> ValueFingerprint? {
        switch reply {
        // A key that is not there has an empty range.
        case .bulkString(let bytes): return ValueFingerprint(bytes: bytes)
        // A value of another type is none.
        case .error(let text) where text.hasPrefix("WRONGTYPE"): return nil
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }
}
