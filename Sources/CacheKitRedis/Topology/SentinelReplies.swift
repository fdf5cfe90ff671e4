internal import CacheKitCore

/// What a sentinel says of a master. Every field comes from the network and is checked here.
///
/// Commands and events: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/.
struct SentinelAnswer: Equatable {
    /// Where the master is.
    var master: RedisEndpoint
    /// Grows with each failover; tells an old answer from a new one.
    var epoch: UInt64
    /// Where other sentinels are.
    var sentinels: [RedisEndpoint]
}

/// What a sentinel announces.
enum SentinelEvent: Equatable {
    /// The master is elsewhere now.
    case switched(to: RedisEndpoint)
    /// A replica has become the master; where it is must be asked.
    case promoted
}

enum SentinelReplies {
    /// What is subscribed to. `+switch-master` comes from the sentinel that leads a failover only once every replica was
    /// told, which can take its whole time; that a replica was promoted it says at once.
    static let channels = ["+switch-master", "+promoted-slave"]

    /// `SENTINEL GET-MASTER-ADDR-BY-NAME`, `SENTINEL MASTER` and `SENTINEL SENTINELS`, in this order.
    static func question(about master: String) -> RESPWriter {
        var writer = RESPWriter()
        writer.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master)
        writer.command("SENTINEL", "MASTER", master)
        writer.command("SENTINEL", "SENTINELS", master)
        return writer
    }

    /// - Parameter maximumSentinels: at most so many other sentinels are taken.
    /// - Returns: `nil` when the sentinel does not know the master.
    static func answer(_ replies: [RESPValue], maximumSentinels: Int) throws(CacheError) -> SentinelAnswer? {
        guard replies.count == 3 else { throw .redisUnexpectedReply() }
        switch replies[0] {
        case .null: return nil
        case .error(let text): throw .redisReply(text)
        case .array(let parts):
            guard parts.count == 2, let master = endpoint(host: text(parts[0]), port: text(parts[1])) else {
                throw .redisUnexpectedReply()
            }
            // An ACL may allow the first question only; then answers can't be told apart by age.
            let epoch = fields(replies[1])["config-epoch"].flatMap { UInt64($0) } ?? 0
            return SentinelAnswer(
                master: master, epoch: epoch, sentinels: sentinels(replies[2], maximumCount: maximumSentinels))
        default: throw .redisUnexpectedReply()
        }
    }

    /// An event about the master of that name: `[message, channel, text]`, where the text of a switch is
    /// `name old-ip old-port new-ip new-port`, and that of another event `type name ip port @ master ip port`.
    static func event(_ message: RESPValue, about master: String) -> SentinelEvent? {
        guard case .array(let parts) = message, parts.count == 3, text(parts[0]) == "message", let body = text(parts[2])
        else { return nil }
        let words = body.split(separator: " ", maxSplits: 16, omittingEmptySubsequences: false).map(String.init)
        switch text(parts[1]) {
        case "+switch-master":
            guard words.count == 5, words[0] == master else { return nil }
            return endpoint(host: words[3], port: words[4]).map { .switched(to: $0) }
        case "+promoted-slave":
            guard words.count >= 8, words[4] == "@", words[5] == master else { return nil }
            return .promoted
        default: return nil
        }
    }

    private static func sentinels(_ reply: RESPValue, maximumCount: Int) -> [RedisEndpoint] {
        guard case .array(let entries) = reply else { return [] }
        return entries.prefix(maximumCount).compactMap { entry in
            let sentinel = fields(entry)
            return endpoint(host: sentinel["ip"], port: sentinel["port"])
        }
    }

    /// A map, as RESP2 writes it: names and values in turn.
    private static func fields(_ reply: RESPValue) -> [String: String] {
        guard case .array(let elements) = reply else { return [:] }
        var result: [String: String] = [:]
        for index in stride(from: 0, to: min(elements.count, 256) - 1, by: 2) {
            if let name = text(elements[index]) { result[name] = text(elements[index + 1]) }
        }
        return result
    }

    private static func endpoint(host: String?, port: String?) -> RedisEndpoint? {
        guard let host, let port, (1...255).contains(host.utf8.count),
            host.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port), (1...65535).contains(number)
        else { return nil }
        return .tcp(host: host, port: number)
    }

    private static func text(_ value: RESPValue) -> String? {
        guard case .bulkString(let bytes) = value else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }
}
