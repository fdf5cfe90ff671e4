internal import CacheKit
internal import CacheKitCore

/// Removes records that ended from one bucket: `HSCAN` (https://redis.io/docs/latest/commands/hscan/), and a script that deletes
/// those that are still the same.
struct RecordSweep {
    private static let scanCount = "500"
    private static let removal = """
        local count = 0
        for index = 1, #ARGV, 2 do
          if redis.call('HGET', KEYS[1], ARGV[index]) == ARGV[index + 1] then
            count = count + redis.call('HDEL', KEYS[1], ARGV[index])
          end
        end
        return count
        """

    let store: RedisStore
    let name: String

    func step(from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep {
        let reply = try await store.command(
            ["HSCAN", name, String(cursor), "COUNT", Self.scanCount].map { Array($0.utf8) }, for: name)
        guard case .array(let parts) = reply, parts.count == 2, case .bulkString(let position) = parts[0],
            let next = UInt64(String(decoding: position, as: UTF8.self)), case .array(let fields) = parts[1],
            fields.count % 2 == 0
        else { throw .redisUnexpectedReply() }
        var ended: [[UInt8]] = []
        for index in stride(from: 0, to: fields.count, by: 2) {
            guard case .bulkString(let field) = fields[index], case .bulkString(let content) = fields[index + 1],
                field.first != 0, let record = RecordCodec.decode(content), record.expiresAt < time
            else { continue }
            ended += [field, content]
        }
        guard !ended.isEmpty else { return SweepStep(next: next, removed: 0) }
        let arguments = ["EVAL", Self.removal, "1", name].map { Array($0.utf8) }
        guard case .integer(let count) = try await store.command(arguments + ended, for: name) else {
            throw .redisUnexpectedReply()
        }
        return SweepStep(next: next, removed: Int(count))
    }
}
