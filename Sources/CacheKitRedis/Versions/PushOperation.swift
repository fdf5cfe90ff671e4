internal import CacheKit
internal import CacheKitCore

/// `EVALSHA` of ``PushScript`` for each push, or `EVAL` where a server does not know the script yet
/// (https://redis.io/docs/latest/commands/evalsha/).
struct PushOperation: KeyedOperation {
    /// More writes than any batch has, and fewer than Lua can hand on at once.
    static let maximumWriteCount = 2_000

    /// What came of one push.
    enum Output: Sendable {
        case answer(BucketAnswer)
        /// The server does not know the script: nothing happened.
        case unknownScript
    }

    let buckets: Buckets
    /// Whether the script goes along; otherwise only its hash.
    var carriesScript = false

    /// Weighed twice it is applied once, but what comes between would be weighed in another order: the engine repeats.
    var isIdempotent: Bool { false }
    var maximumUnitCount: Int { 1 }

    func valuesPerReply(unitCount: Int) -> Int { 1 }
    func key(of push: BucketPush) -> String { buckets.name(push.bucket) }
    func keys(of push: BucketPush) -> [String] { [key(of: push)] + push.writes.map(\.key.string) }

    func byteCount(of push: BucketPush) -> Int {
        // By position, here and below: to go through the writes themselves would count references for each.
        var count = carriesScript ? PushScript.source.utf8.count : 40
        for index in push.writes.indices {
            count += push.writes[index].key.string.utf8.count + push.writes[index].action.valueByteCount + 128
        }
        return count + 128
    }

    func valueByteCount(of push: BucketPush) -> Int {
        var largest = 0
        for index in push.writes.indices { largest = max(largest, push.writes[index].action.valueByteCount) }
        return largest
    }

    func encode(_ unit: ArraySlice<BucketPush>, into writer: inout RESPWriter) {
        for push in unit {
            var valueCount = 0
            for index in push.writes.indices where push.writes[index].action.isPut { valueCount += 1 }
            writer.begin(argumentCount: 5 + 2 * push.writes.count + valueCount)
            writer.append(carriesScript ? "EVAL" : "EVALSHA")
            writer.append(carriesScript ? PushScript.source : PushScript.hash)
            writer.append(Int64(1 + push.writes.count))
            writer.append(key(of: push))
            for index in push.writes.indices { writer.append(push.writes[index].key.string) }
            writer.append(byteCount: Self.headByteCount) { appendHead(of: push, to: &$0) }
            for index in push.writes.indices {
                writer.append(byteCount: Self.writeByteCount + 16 * min(push.writes[index].base.count, 2)) {
                    Self.append(push.writes[index], to: &$0)
                }
                if case .put(let value, _) = push.writes[index].action { writer.append(value) }
            }
        }
    }

    private static let headByteCount = 34
    private static let writeByteCount = RecordCodec.byteCount + 9

    /// The field of the node's mark (9 bytes), the mark that is expected (8), the one to leave (8), the time (8), and traits (1):
    /// whether records may be lost (1), and whether the bucket will be large (2).
    private func appendHead(of push: BucketPush, to bytes: inout [UInt8]) {
        bytes.append(0)
        bytes.append(bigEndian: push.node)
        bytes.append(bigEndian: push.expectedMark)
        bytes.append(bigEndian: push.mark)
        bytes.append(bigEndian: RecordCodec.time(push.now))
        bytes.append((push.recordsMayBeLost ? 1 : 0) | (buckets.areLarge ? 2 : 0))
    }

    /// The record to leave (41 bytes), flags (1), the life of a value in milliseconds (8), and the fingerprints of the base
    /// (16 each).
    private static func append(_ write: VersionedWrite, to bytes: inout [UInt8]) {
        RecordCodec.append(
            RemoteRecord(
                version: write.version, kind: write.action.isPut ? .value : .tombstone,
                fingerprint: write.fingerprint, expiresAt: write.recordExpiresAt), to: &bytes)
        var flags: UInt8 = write.action.isPut ? 1 : 0
        if write.isLate { flags |= 2 }
        if write.isTooOld { flags |= 4 }
        if write.acceptsAbsence { flags |= 8 }
        if write.isResend { flags |= 16 }
        if write.isRepair { flags |= 32 }
        bytes.append(flags)
        var life: Int64 = 0
        if case .put(_, let timeToLive) = write.action { life = WriteOperation.milliseconds(timeToLive) }
        bytes.append(bigEndian: UInt64(life))
        for fingerprint in write.base.prefix(2) { bytes.append(fingerprint) }
    }

    func decode(
        _ replies: ArraySlice<RESPValue>, of unit: ArraySlice<BucketPush>, into outputs: inout [Output]
    ) throws(CacheError) {
        for (push, reply) in zip(unit, replies) {
            switch reply {
            case .bulkString(let bytes): outputs.append(.answer(PushReply.answer(bytes, to: push)))
            case .error(let text) where text.hasPrefix("NOSCRIPT"): outputs.append(.unknownScript)
            case .error(let text): outputs.append(.answer(.failed(.redisReply(text))))
            default: throw .redisUnexpectedReply()
            }
        }
    }

    func output(after error: CacheError) -> Output? { .answer(.failed(error)) }
}

extension VersionedWrite.Action {
    /// What a put stores.
    var value: [UInt8]? {
        if case .put(let value, _) = self { value } else { nil }
    }

    /// Whether it stores a value.
    var isPut: Bool {
        if case .put = self { true } else { false }
    }

    /// The size of the value that it stores.
    var valueByteCount: Int {
        if case .put(let value, _) = self { value.count } else { 0 }
    }
}
