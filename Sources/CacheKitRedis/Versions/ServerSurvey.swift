internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// Asks a server for its time and its memory limits, and remembers what each said of those: one server of a Cluster is asked
/// at a time, and what counts is the worst.
final class ServerSurvey: Sendable {
    /// At most so many servers are remembered; a Cluster has no more.
    private static let maximumServers = SlotMap.maximumServers

    /// Whether each server may evict keys that never expire, as far as it says.
    private let evictsRecords = Mutex<[RedisEndpoint: Bool]>([:])

    /// Asks one of the servers; the next one where that is away.
    func survey(_ topology: any Topology) async throws(CacheError) -> RemoteSurvey {
        let servers = try await topology.servers()
        var writer = RESPWriter()
        writer.command("TIME")
        writer.command("INFO", "memory")
        var failure = CacheError(.remoteNotReady, "Redis has no master now; try again later")
        for server in servers.shuffled() {
            do throws(CacheError) {
                let replies = try await server.send(CommandBatch(writer, isIdempotent: true))
                guard replies.count == 2 else { throw .redisUnexpectedReply() }
                let time = try Self.time(replies[0])
                let evicts = try Self.evictsRecords(replies[1])
                return RemoteSurvey(
                    time: time, evictsRecords: worst(evicts, of: server.settings.dialer.endpoint, among: servers))
            } catch {
                guard error.code == .remoteUnavailable || error.code == .remoteTimeout else { throw error }
                failure = error
            }
        }
        throw failure
    }

    /// Whether any of the servers may evict records, by the latest that each said.
    private func worst(_ evicts: Bool?, of server: RedisEndpoint, among servers: [RedisNode]) -> Bool? {
        evictsRecords.withLock { known in
            let endpoints = Set(servers.prefix(Self.maximumServers).map(\.settings.dialer.endpoint))
            known = known.filter { endpoints.contains($0.key) }
            known[server] = evicts
            if known.isEmpty { return nil }
            return known.values.contains(true)
        }
    }

    /// `TIME`: seconds and microseconds (https://redis.io/docs/latest/commands/time/).
    private static func time(_ reply: RESPValue) throws(CacheError) -> Timestamp {
        switch reply {
        case .array(let parts):
            guard parts.count == 2, case .bulkString(let seconds) = parts[0], case .bulkString(let micros) = parts[1],
                let seconds = Int64(String(decoding: seconds, as: UTF8.self)),
                let micros = Int64(String(decoding: micros, as: UTF8.self)), (0..<1_000_000).contains(micros),
                (0..<1 << 40).contains(seconds)
            else { throw .redisUnexpectedReply() }
            return Timestamp(milliseconds: seconds * 1000 + micros / 1000)
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    /// `INFO memory` (https://redis.io/docs/latest/commands/info/): with a limit, every policy that begins with `allkeys` evicts
    /// keys without an expiry (https://redis.io/docs/latest/develop/reference/eviction/). `nil` where it may not be asked.
    private static func evictsRecords(_ reply: RESPValue) throws(CacheError) -> Bool? {
        guard case .bulkString(let bytes) = reply else {
            if case .error(let text) = reply, CacheError.redisReply(text).code == .remoteNotReady {
                throw .redisReply(text)
            }
            return nil
        }
        let fields = ServerFields(bytes)
        guard let limit = fields["maxmemory"].flatMap({ UInt64($0) }), let policy = fields["maxmemory_policy"] else {
            return nil
        }
        return limit > 0 && policy.hasPrefix("allkeys-")
    }
}

/// Lines of the form `name:value`, as `INFO` has them.
struct ServerFields {
    private let lines: [Substring]

    init(_ bytes: [UInt8]) {
        lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
    }

    subscript(name: String) -> Substring? {
        lines.first { $0.hasPrefix(name + ":") }?.dropFirst(name.utf8.count + 1)
    }
}
