internal import CacheKit
internal import CacheKitCore

/// `GETRANGE key -16 -1` of each key, and `HMGET` of the records of those beside each other that share a bucket: which version
/// of a key is there, for some 80 bytes. No transaction; who finds a difference looks again.
struct TraceOperation: KeyedOperation {
    let buckets: Buckets

    private static let keysPerUnit = 256

    var isIdempotent: Bool { true }
    /// One that lags behind would show what was there before.
    var mayAskReplica: Bool { false }
    var maximumUnitCount: Int { Self.keysPerUnit }
    var mayOverlap: Bool { true }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of key: CacheKey) -> String { key.string }
    func byteCount(of key: CacheKey) -> Int { 2 * key.string.utf8.count + 120 }

    func encode(_ unit: ArraySlice<CacheKey>, into writer: inout RESPWriter) {
        for key in unit { GlanceOperation.encodeTail(of: key, into: &writer) }
        for run in runs(unit) {
            writer.begin(argumentCount: 2 + run.count)
            writer.append("HMGET")
            writer.append(buckets.name(buckets.bucket(of: unit[run.lowerBound])))
            for index in run { writer.append(unit[index].string) }
        }
    }

    /// Keys beside each other that share a bucket.
    private func runs(_ unit: ArraySlice<CacheKey>) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        var start = unit.startIndex
        var bucket = -1
        for index in unit.indices {
            let own = buckets.bucket(of: unit[index])
            if own != bucket, index > start {
                runs.append(start..<index)
                start = index
            }
            bucket = own
        }
        if start < unit.endIndex { runs.append(start..<unit.endIndex) }
        return runs
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<CacheKey>, into traces: inout [RemoteTrace]
    ) throws(CacheError) {
        guard replies.count > unit.count else { throw .redisUnexpectedReply() }
        let end = replies.startIndex + unit.count
        var tail = replies.startIndex
        for reply in replies[end...] {
            guard case .array(let records) = reply, tail + records.count <= end else {
                if case .error(let text) = reply { throw .redisReply(text) }
                throw .redisUnexpectedReply()
            }
            for record in records {
                var hasValue = false
                if case .bulkString(let bytes) = replies[tail] { hasValue = !bytes.isEmpty }
                traces.append(
                    RemoteTrace(
                        tail: try GlanceOperation.tail(replies[tail]), hasValue: hasValue,
                        record: try InspectOperation.record(record)))
                tail += 1
            }
        }
        guard tail == end else { throw .redisUnexpectedReply() }
    }
}
