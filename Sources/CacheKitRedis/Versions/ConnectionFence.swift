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
///
/// The connections of this run are noted in their turn. One that is made after that is in no note, and nobody could end it, so
/// that it carries no write that has to be fenced (``CommandBatch/Writes/isFenced``). Of each server the lane for large values is
/// connected here and kept, so that this is seldom met.
struct ConnectionFence {
    let topology: any Topology

    /// - Returns: the connections that are used now, and those of before on servers that could not be asked.
    func end(_ old: ConnectionNote) async throws(CacheError) -> ConnectionNote {
        var now = ConnectionNote()
        var away: CacheError?
        for server in try await topology.servers() {
            do throws(CacheError) {
                let (run, own) = try await server.note(in: &now)
                for identifier in old.connections[run, default: []].subtracting(own).sorted() {
                    try await Self.end(identifier, on: server)
                }
            } catch {
                // Another server's writes need not wait for this one.
                guard error.isAway else { throw error }
                away = error
            }
        }
        guard let away else { return now }
        if now.connections.isEmpty { throw away }
        // What could not be ended may still be there the next time.
        for (run, identifiers) in old.connections where now.connections[run] == nil {
            now.connections[run] = identifiers
        }
        return now
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

extension RedisNode {
    /// Notes the connections to a server, which are made for it where there are none.
    ///
    /// - Returns: the server's run id, and all that the note now has of that.
    fileprivate func note(in note: inout ConnectionNote) async throws(CacheError) -> (run: String, own: Set<UInt64>) {
        let (run, identifier) = try await noteConnection()
        note.connections[run, default: []].insert(identifier)
        if let lane {
            do throws(CacheError) {
                let (run, identifier) = try await lane.node.noteConnection()
                note.connections[run, default: []].insert(identifier)
            } catch {
                // Small values need not wait for it, and large ones are not sent over it unnoted.
                guard error.isAway || error.code == .remoteNotReady else { throw error }
            }
        }
        return (run, note.connections[run, default: []])
    }

    /// Asks over one connection who it is; it may carry fenced writes from then on.
    private func noteConnection() async throws(CacheError) -> (run: String, identifier: UInt64) {
        var writer = RESPWriter()
        writer.command("INFO", "server")
        writer.command("CLIENT", "ID")
        let (replies, connection) = try await sendTellingConnection(CommandBatch(writer, isIdempotent: true))
        for case .error(let text) in replies { throw .redisReply(text) }
        guard replies.count == 2, case .bulkString(let bytes) = replies[0], let run = ServerFields(bytes)["run_id"],
            case .integer(let number) = replies[1], let identifier = UInt64(exactly: number)
        else { throw .redisUnexpectedReply() }
        connection.note()
        return (String(run), identifier)
    }
}

extension CacheError {
    /// Whether a server could not be asked.
    fileprivate var isAway: Bool { code == .remoteUnavailable || code == .remoteTimeout }
}
