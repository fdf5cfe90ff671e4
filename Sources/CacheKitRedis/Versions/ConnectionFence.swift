internal import CacheKit
internal import CacheKitCore

/// The connections of a store: for each server its run id, which is another after every start, and what it calls the
/// connections.
struct ConnectionNote: Equatable {
    var connections: [String: Set<UInt64>] = [:]

    init() {}

    /// From its bytes; what can't be read names nothing.
    init(bytes: [UInt8]) {
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n").prefix(SlotMap.maximumServers) {
            let words = line.split(separator: " ")
            guard let run = words.first, run.utf8.count == 40 else { continue }
            connections[String(run)] = Set(words.dropFirst().prefix(Self.maximumConnections).compactMap { UInt64($0) })
        }
    }

    /// For each server a line: its run id, then the connections.
    var bytes: [UInt8] {
        let lines = connections.sorted { $0.key < $1.key }.map { run, identifiers in
            ([run] + identifiers.sorted().map { String($0) }).joined(separator: " ")
        }
        return Array(lines.joined(separator: "\n").utf8)
    }

    private static let maximumConnections = 16
}

/// Ends connections of an earlier run by their ids (https://redis.io/docs/latest/commands/client-kill/): what a server has not
/// read from them by then has no effect.
struct ConnectionFence {
    let topology: any Topology

    /// - Returns: the connections that are used now, and those of before on servers that could not be asked.
    func end(_ old: ConnectionNote) async throws(CacheError) -> ConnectionNote {
        var now = ConnectionNote()
        var away: CacheError?
        for server in try await topology.servers() {
            do throws(CacheError) {
                let (run, own) = try await identify(server)
                for identifier in old.connections[run, default: []].subtracting(own).sorted() {
                    try await Self.end(identifier, on: server)
                }
                now.connections[run, default: []].formUnion(own)
            } catch {
                // Another server's writes need not wait for this one.
                guard error.code == .remoteUnavailable || error.code == .remoteTimeout else { throw error }
                away = error
            }
        }
        guard let away else { return now }
        if now.connections.isEmpty { throw away }
        for (run, identifiers) in old.connections where now.connections[run] == nil {
            now.connections[run] = identifiers
        }
        return now
    }

    /// The run id of a server, and the ids of the connections to it.
    private func identify(_ server: RedisNode) async throws(CacheError) -> (run: String, own: Set<UInt64>) {
        let (run, identifier) = try await Self.connection(of: server)
        var own: Set = [identifier]
        // Not made for this: one that nobody uses has nothing to end.
        if let lane = server.lane?.node, lane.isConnected {
            let (laneRun, identifier) = try await Self.connection(of: lane)
            if laneRun == run { own.insert(identifier) }
        }
        return (run, own)
    }

    private static func connection(of node: RedisNode) async throws(CacheError) -> (run: String, identifier: UInt64) {
        var writer = RESPWriter()
        writer.command("INFO", "server")
        writer.command("CLIENT", "ID")
        let replies = try await node.send(CommandBatch(writer, isIdempotent: true))
        for case .error(let text) in replies { throw .redisReply(text) }
        guard replies.count == 2, case .bulkString(let bytes) = replies[0], let run = ServerFields(bytes)["run_id"],
            case .integer(let number) = replies[1], let identifier = UInt64(exactly: number)
        else { throw .redisUnexpectedReply() }
        return (String(run), identifier)
    }

    private static func end(_ identifier: UInt64, on server: RedisNode) async throws(CacheError) {
        var writer = RESPWriter()
        writer.command("CLIENT", "KILL", "ID", String(identifier))
        switch try await server.send(CommandBatch(writer, isIdempotent: true)).first {
        case .integer: return
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }
}
