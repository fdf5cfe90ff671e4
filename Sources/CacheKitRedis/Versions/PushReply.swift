internal import CacheKit
internal import CacheKitCore

/// What ``PushScript`` answers.
///
/// `M` and the 8 bytes of the mark found, or `N`. Then for each write `A` applied, `Y` already, `C` clash, `S` stale and the
/// record (41 bytes), `F` foreign and the fingerprint (16 bytes), `B` absent, `T` too old, or `E` failed, the length of Redis'
/// text (1 byte) and that text.
enum PushReply {
    /// What came of a push.
    static func answer(_ bytes: [UInt8], to push: BucketPush) -> BucketAnswer {
        do throws(CacheError) {
            var rest = bytes[...]
            var mark: UInt64?
            switch rest.popFirst() {
            case UInt8(ascii: "M"): mark = UInt64(bigEndian: try take(&rest, 8))
            case UInt8(ascii: "N"): break
            default: throw .redisUnexpectedReply()
            }
            var verdicts: [Verdict] = []
            verdicts.reserveCapacity(push.writes.count)
            for _ in push.writes { verdicts.append(try verdict(&rest)) }
            guard rest.isEmpty else { throw .redisUnexpectedReply() }
            return .weighed(mark: mark, verdicts: verdicts)
        } catch {
            return .failed(error)
        }
    }

    private static func verdict(_ rest: inout ArraySlice<UInt8>) throws(CacheError) -> Verdict {
        switch rest.popFirst() {
        case UInt8(ascii: "A"): return .applied
        case UInt8(ascii: "Y"): return .already
        case UInt8(ascii: "C"): return .clash
        case UInt8(ascii: "B"): return .absent
        case UInt8(ascii: "T"): return .tooOld
        case UInt8(ascii: "S"):
            // One of a kind that is not known here is left alone.
            let record = RecordCodec.decode(try take(&rest, RecordCodec.byteCount))
            return record.map { .stale($0) } ?? .failed(.redisUnknownRecord())
        case UInt8(ascii: "F"):
            guard let fingerprint = ValueFingerprint(bytes: try take(&rest, 16)) else { break }
            return .foreign(fingerprint)
        case UInt8(ascii: "E"):
            let length = Int(rest.popFirst() ?? 0)
            return .failed(.redisReply(String(decoding: try take(&rest, length), as: UTF8.self)))
        default: break
        }
        throw .redisUnexpectedReply()
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, _ count: Int) throws(CacheError) -> ArraySlice<UInt8> {
        guard rest.count >= count else { throw .redisUnexpectedReply() }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
