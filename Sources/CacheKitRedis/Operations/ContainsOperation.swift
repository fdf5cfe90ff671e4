internal import CacheKit
internal import CacheKitCore

/// `EXISTS key` (https://redis.io/docs/latest/commands/exists/).
struct ContainsOperation: KeyedOperation {
    var isIdempotent: Bool { true }
    var maximumUnitCount: Int { 1 }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of element: CacheKey) -> String { element.string }
    func byteCount(of element: CacheKey) -> Int { element.string.utf8.count + 32 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        for key in unit { writer.command("EXISTS", key.string) }
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into found: inout [Bool]
    ) throws(CacheError) {
        for reply in replies {
            switch reply {
            case .integer(let count): found.append(count != 0)
            case .error(let text): throw .redisReply(text)
            default: throw .redisUnexpectedReply()
            }
        }
    }
}
