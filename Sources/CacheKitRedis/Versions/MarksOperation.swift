internal import CacheKit
internal import CacheKitCore

/// `HGET bucket mark` (https://redis.io/docs/latest/commands/hget/).
struct MarksOperation: KeyedOperation {
    let buckets: Buckets
    let node: UInt64

    var isIdempotent: Bool { true }
    /// One that lags behind would look like a server that has lost its tail.
    var mayAskReplica: Bool { false }
    var maximumUnitCount: Int { 1 }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of bucket: Int) -> String { buckets.name(bucket) }
    func byteCount(of bucket: Int) -> Int { 64 }

    func encode(_ unit: ArraySlice<Int>, into writer: inout RESPWriter) {
        let field = Buckets.markField(of: node)
        for bucket in unit {
            writer.begin(argumentCount: 3)
            writer.append("HGET")
            writer.append(key(of: bucket))
            writer.append(field)
        }
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<Int>, into marks: inout [Result<UInt64?, CacheError>]
    ) throws(CacheError) {
        for reply in replies {
            switch reply {
            case .bulkString(let bytes): marks.append(.success(bytes.count == 8 ? UInt64(bigEndian: bytes) : nil))
            case .null: marks.append(.success(nil))
            case .error(let text): throw .redisReply(text)
            default: throw .redisUnexpectedReply()
            }
        }
    }

    func output(after error: CacheError) -> Result<UInt64?, CacheError>? { .failure(error) }
}
