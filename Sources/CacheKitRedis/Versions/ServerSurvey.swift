internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// Asks the servers for their time and their memory limits, and remembers what each said of those: what counts is the worst.
final class ServerSurvey: Sendable {
    /// At most so many servers are remembered; a Cluster has no more.
    private static let maximumServers = SlotMap.maximumServers
    /// So many are asked at once.
    private static let maximumAsked = 16
    /// How long the others are waited for once one has answered: what the time is must not be old. In a random order, so that each
    /// has its turn in one of the next surveys.
    private static let patience = Duration.milliseconds(100)

    /// Whether each server may evict keys that never expire, as far as it says.
    private let evictsRecords = Mutex<[RedisEndpoint: Bool]>([:])

    private enum Event: Sendable {
        case answered(Result<Answer, CacheError>, RedisEndpoint)
        case patienceIsOver
    }

    private struct Answer: Sendable {
        let time: Timestamp
        let evictsRecords: Bool?
        let came = ContinuousClock.now
    }

    /// Asks every server; one that answers is enough.
    func survey(_ topology: any Topology) async throws(CacheError) -> RemoteSurvey {
        let servers = try await topology.servers().prefix(Self.maximumServers)
        let (first, failure) = await ask(Array(servers.shuffled()))
        guard let first else {
            throw failure ?? CacheError(.remoteNotReady, "Redis has no master now; try again later")
        }
        let evicts = worst(among: Set(servers.map(\.settings.dialer.endpoint)))
        let age = first.came.duration(to: .now)
        return RemoteSurvey(time: first.time.advanced(by: age), evictsRecords: evicts)
    }

    /// The answer that came first, and what went wrong with any.
    private func ask(_ servers: [RedisNode]) async -> (Answer?, CacheError?) {
        await withTaskGroup(of: Event.self) { group in
            var left = servers[...]
            var asked = 0
            func askNext() {
                guard let server = left.popFirst() else { return }
                asked += 1
                group.addTask { .answered(await Self.ask(server), server.settings.dialer.endpoint) }
            }
            for _ in 0..<Self.maximumAsked { askNext() }
            var first: Answer?
            var failure: CacheError?
            while asked > 0, let event = await group.next() {
                guard case .answered(let result, let endpoint) = event else { break }
                asked -= 1
                switch result {
                case .success(let answer):
                    evictsRecords.withLock { $0[endpoint] = answer.evictsRecords }
                    if first == nil, !left.isEmpty || asked > 0 {
                        group.addTask {
                            try? await Task.sleep(for: Self.patience)
                            return .patienceIsOver
                        }
                    }
                    first = first ?? answer
                // That nobody is there says the least.
                case .failure(let error):
                    if failure == nil || error.code != .remoteUnavailable { failure = error }
                }
                askNext()
            }
            group.cancelAll()
            return (first, failure)
        }
    }

    private static func ask(_ server: RedisNode) async -> Result<Answer, CacheError> {
        var writer = RESPWriter()
        writer.command("TIME")
        writer.command("INFO", "memory")
        do throws(CacheError) {
            let replies = try await server.send(CommandBatch(writer, isIdempotent: true))
            guard replies.count == 2 else { throw .redisUnexpectedReply() }
            return .success(Answer(time: try time(replies[0]), evictsRecords: try evictsRecords(replies[1])))
        } catch {
            return .failure(error)
        }
    }

    /// Whether any of the servers may evict records, by the latest that each said.
    private func worst(among servers: Set<RedisEndpoint>) -> Bool? {
        evictsRecords.withLock { known in
            known = known.filter { servers.contains($0.key) }
            return known.isEmpty ? nil : known.values.contains(true)
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
