internal import CacheKit
internal import CacheKitCore

/// Value, remaining life and record of each key, of one moment: ``ReadOperation``'s transaction, with `HGET` of each record.
struct InspectOperation: KeyedOperation {
    let buckets: Buckets

    var isIdempotent: Bool { true }
    /// One that lags behind would show what was there before a conflict.
    var mayAskReplica: Bool { false }
    var maximumUnitCount: Int { ReadOperation.keysPerTransaction }

    func valuesPerReply(unitCount: Int) -> Int { unitCount }
    func key(of key: CacheKey) -> String { key.string }
    func byteCount(of key: CacheKey) -> Int { 3 * key.string.utf8.count + 112 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        writer.command("MULTI")
        writer.begin(argumentCount: unit.count + 1)
        writer.append("MGET")
        for key in unit { writer.append(key.string) }
        for key in unit {
            writer.command("PTTL", key.string)
            writer.command("HGET", buckets.name(buckets.bucket(of: key)), key.string)
        }
        writer.command("EXEC")
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into views: inout [RemoteView]
    ) throws(CacheError) {
        // A command that could not be queued says why; EXEC only says that there was one.
        for position in replies.indices.dropLast() {
            if case .error(let text) = replies[position] { throw .redisReply(text) }
        }
        switch replies.last {
        case .array(let results):
            guard results.count == 1 + 2 * unit.count else { throw .redisUnexpectedReply() }
            switch results[0] {
            case .array(let values) where values.count == unit.count:
                for position in values.indices {
                    views.append(
                        RemoteView(
                            entry: try ReadOperation.entry(
                                remaining: results[2 * position + 1], value: values[position]),
                            record: try Self.record(results[2 * position + 2])))
                }
            case .error(let text): throw .redisReply(text)
            default: throw .redisUnexpectedReply()
            }
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    static func record(_ reply: RESPValue) throws(CacheError) -> RemoteRecord? {
        switch reply {
        case .null: return nil
        case .error(let text): throw .redisReply(text)
        case .bulkString(let bytes):
            // What is no record counts as none, as the script has it.
            guard bytes.count == RecordCodec.byteCount else { return nil }
            guard let record = RecordCodec.decode(bytes) else { throw .redisUnknownRecord() }
            return record
        default: throw .redisUnexpectedReply()
        }
    }
}

extension CacheError {
    /// A record that this version can't read.
    static func redisUnknownRecord() -> CacheError {
        CacheError(
            .remoteProtocol,
            "a record in Redis is of a kind not known here; a newer version of CacheKit wrote it, update")
    }
}
