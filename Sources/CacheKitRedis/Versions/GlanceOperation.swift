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
    var mayOverlap: Bool { true }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of key: CacheKey) -> String { key.string }
    func byteCount(of key: CacheKey) -> Int { 2 * key.string.utf8.count + 80 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        for key in unit {
            Self.encodeTail(of: key, into: &writer)
            writer.begin(encoded: "*2\r\n$4\r\nPTTL\r\n")
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
        writer.begin(encoded: "*4\r\n$8\r\nGETRANGE\r\n")
        writer.append(key.string)
        writer.append(encoded: "$3\r\n-16\r\n$2\r\n-1\r\n")
    }

    static func tail(_ reply: RESPValue) throws(CacheError) -> ValueFingerprint? {
        switch reply {
        // A key that is not there has an empty range.
        case .bulkString(let bytes):
            return bytes.count == 16 ? bytes.withUnsafeBytes { ValueFingerprint(loading: $0, at: 0) } : nil
        // A value of another type is none.
        case .error(let text) where text.hasPrefix("WRONGTYPE"): return nil
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }
}
