internal import CacheKit
internal import CacheKitCore

/// Value, remaining life and record of each key, of one moment: ``ReadOperation``'s transaction, with `HGET` of each record.
struct InspectOperation: KeyedOperation {
    // A bucket of another type is the failure of its keys, as in a transaction.
    private static let script = """
        local count = #KEYS / 2
        local results = {redis.call('MGET', unpack(KEYS, 1, count))}
        for index = 1, count do
          results[2 * index] = redis.call('PTTL', KEYS[index])
          results[2 * index + 1] = redis.pcall('HGET', KEYS[count + index], KEYS[index])
        end
        return results
        """

    let buckets: Buckets
    var reading = AtomicReading.transaction

    var isIdempotent: Bool { true }
    /// One that lags behind would show what was there before a conflict.
    var mayAskReplica: Bool { false }
    var maximumUnitCount: Int { ReadOperation.keysPerTransaction }

    func valuesPerReply(unitCount: Int) -> Int { unitCount }
    func key(of key: CacheKey) -> String { key.string }
    func byteCount(of key: CacheKey) -> Int { 3 * key.string.utf8.count + 112 }

    func alternative(after replies: ArraySlice<RESPValue>) -> InspectOperation? {
        reading.alternative(after: replies).map { InspectOperation(buckets: buckets, reading: $0) }
    }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        if reading == .script {
            let names = unit.map(\.string) + unit.map { buckets.name(buckets.bucket(of: $0)) }
            return writer.command(["EVAL", Self.script, String(names.count)] + names)
        }
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
        let results = try reading.results(replies)
        guard results.count == 1 + 2 * unit.count else { throw .redisUnexpectedReply() }
        switch results[0] {
        case .array(let values) where values.count == unit.count:
            for position in values.indices {
                views.append(
                    RemoteView(
                        entry: try ReadOperation.entry(
                            remaining: results[2 * position + 1], value: values[position]),
                        record: try Self.record(results[2 * position + 2]),
                        isOfOtherType: values[position] == .null && results[2 * position + 1] != .integer(-2)))
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
