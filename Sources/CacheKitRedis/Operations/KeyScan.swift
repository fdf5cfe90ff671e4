internal import CacheKit
internal import CacheKitCore

/// Lists names, one step at a time, of one master after the other: `SCAN` (https://redis.io/docs/latest/commands/scan/).
///
/// A cursor of `SCAN` means something to the very process alone that gave it: a server that was started again, or has taken
/// another's place, keeps its names in another order.
struct KeyScan {
    /// Names that a server looks at in one step, and gives at most, but for a few that share a place in its table.
    private static let namesPerStep = "1000"

    /// How far the listing is: which server, which run of it where it has begun, and what it gave as its cursor.
    private struct Place {
        var server: String
        var run: Substring?
        var cursor: UInt64

        init(server: String) {
            self.server = server
            cursor = 0
        }

        init?(_ cursor: RemoteKeyCursor) {
            let words = String(decoding: cursor.bytes, as: UTF8.self).split(separator: " ", maxSplits: 2)
            guard words.count == 3, let number = UInt64(words[0]) else { return nil }
            self.cursor = number
            run = words[1] == "-" ? nil : words[1]
            server = String(words[2])
        }

        var remoteCursor: RemoteKeyCursor {
            RemoteKeyCursor(bytes: Array("\(cursor) \(run ?? "-") \(server)".utf8))
        }
    }

    let topology: any Topology

    func step(prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage {
        let servers = try await topology.servers()
            .map { (name: $0.settings.dialer.endpoint.description, node: $0) }.sorted { $0.name < $1.name }
        guard let first = servers.first else {
            throw CacheError(.remoteNotReady, "Redis has no master now; try again later")
        }
        guard var place = cursor.map({ Place($0) }) ?? Place(server: first.name),
            let index = servers.firstIndex(where: { $0.name == place.server })
        else { throw Self.moved() }
        let answer = try await Self.ask(servers[index].node, prefix, place.cursor)
        if let run = place.run, let found = answer.run, run != found { throw Self.moved() }
        place.run = answer.run ?? place.run
        place.cursor = answer.next
        let isDone = answer.next == 0
        let following = index + 1 < servers.count ? Place(server: servers[index + 1].name) : nil
        return RemoteKeyPage(keys: answer.keys, next: (isDone ? following : place)?.remoteCursor)
    }

    private static func ask(
        _ server: RedisNode, _ prefix: String, _ cursor: UInt64
    ) async throws(CacheError) -> (keys: [CacheKey], next: UInt64, run: Substring?) {
        var writer = RESPWriter()
        writer.command("INFO", "server")
        // Buckets, and what else is no value, are left out by their type already.
        writer.command(
            "SCAN", String(cursor), "MATCH", pattern(prefix), "COUNT", namesPerStep, "TYPE", "string")
        let replies = try await server.send(CommandBatch(writer, isIdempotent: true))
        guard replies.count == 2 else { throw .redisUnexpectedReply() }
        // A user may be kept from `INFO`; then a change of servers is not noticed.
        var run: Substring?
        if case .bulkString(let bytes) = replies[0] { run = ServerFields(bytes)["run_id"] }
        switch replies[1] {
        case .array(let parts):
            guard parts.count == 2, case .bulkString(let position) = parts[0],
                let next = UInt64(String(decoding: position, as: UTF8.self)), case .array(let names) = parts[1]
            else { throw .redisUnexpectedReply() }
            return (names.compactMap { key($0, prefix) }, next, run)
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    /// A name as a key; `nil` for one that is reserved, or that no key can have.
    private static func key(_ name: RESPValue, _ prefix: String) -> CacheKey? {
        guard case .bulkString(let bytes) = name, bytes.starts(with: prefix.utf8) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.utf8.elementsEqual(bytes) else { return nil }
        return try? CacheKey(held: text)
    }

    /// The pattern of `MATCH` for all names that begin so.
    static func pattern(_ prefix: String) -> String {
        var pattern = ""
        for scalar in prefix.unicodeScalars {
            if "*?[]\\".unicodeScalars.contains(scalar) { pattern.unicodeScalars.append("\\") }
            pattern.unicodeScalars.append(scalar)
        }
        return pattern + "*"
    }

    private static func moved() -> CacheError {
        CacheError(
            .remoteNotReady, "another Redis server took over while its keys were listed; begin the listing anew")
    }
}
