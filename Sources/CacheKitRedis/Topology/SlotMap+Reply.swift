internal import CacheKitCore

// The reply of `CLUSTER SLOTS` (https://redis.io/docs/latest/commands/cluster-slots/): for each range of slots its first
// and last, then the master and its replicas, each with host, port, id and, since 7.0, pairs of further names.
extension SlotMap {
    /// - Parameter asked: who answered; its host stands where the reply has none.
    /// - Throws: `remoteProtocol` for what can't be the map of a Cluster, `remoteNotReady` for one without slots.
    init(_ reply: RESPValue, from asked: RedisEndpoint) throws(CacheError) {
        self.init()
        guard case .array(let ranges) = reply, ranges.count <= HashSlot.count else { throw .redisSlotMap() }
        for range in ranges {
            guard case .array(let fields) = range, fields.count >= 3, fields.count <= 3 + Self.maximumReplicas,
                case .integer(let first) = fields[0], case .integer(let last) = fields[1],
                first >= 0, first <= last, last < HashSlot.count
            else { throw .redisSlotMap() }
            let servers = try fields[2...].map { field throws(CacheError) in try Self.server(field, from: asked) }
            // A master without a usable address: its slots have nobody until that is mended.
            guard let master = servers[0] else { continue }
            let replicas = servers.dropFirst().compactMap { $0 }.filter { $0 != master }
            guard assign(Int(first)...Int(last), to: Shard(master: master, replicas: replicas)) else {
                throw .redisSlotMap()
            }
        }
        guard shards.count + replicas.count <= Self.maximumServers else { throw .redisSlotMap() }
        guard !shards.isEmpty else {
            throw CacheError(.remoteNotReady, "the Redis Cluster has no slots assigned; finish setting it up")
        }
    }

    /// `nil` for a server whose name is not known to the one that answered.
    private static func server(
        _ field: RESPValue, from asked: RedisEndpoint
    ) throws(CacheError) -> RedisEndpoint? {
        guard case .array(let parts) = field, parts.count >= 2, case .integer(let port) = parts[1] else {
            throw .redisSlotMap()
        }
        var host = ""
        switch parts[0] {
        case .null: break
        case .bulkString(let bytes): host = String(decoding: bytes, as: UTF8.self)
        default: throw .redisSlotMap()
        }
        // Servers are to be known by names, and this one has none.
        if host == "?" {
            guard let address = parts.count > 3 ? address(in: parts[3]) : nil else { return nil }
            host = address
        }
        guard let endpoint = RedisEndpoint(announced: host, port: Int(port), by: asked) else {
            throw .redisSlotMap()
        }
        return endpoint
    }

    /// The value of `ip` among pairs.
    private static func address(in pairs: RESPValue) -> String? {
        guard case .array(let parts) = pairs else { return nil }
        for (name, value) in zip(parts, parts.dropFirst()) where name == .bulkString(Array("ip".utf8)) {
            guard case .bulkString(let bytes) = value, !bytes.isEmpty else { return nil }
            return String(decoding: bytes, as: UTF8.self)
        }
        return nil
    }
}

extension RedisEndpoint {
    private static let maximumHostBytes = 255

    /// An address that a node of a Cluster gave; an empty host means its own. `nil` for what can't be one.
    ///
    /// Where it points at is checked when it is dialled, like any other.
    init?(announced host: String, port: Int, by asked: RedisEndpoint) {
        var host = host
        if host.isEmpty, case .tcp(let own, _) = asked { host = own }
        guard (1...65535).contains(port), !host.isEmpty, host.utf8.count <= Self.maximumHostBytes,
            host.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self = .tcp(host: host, port: port)
    }
}
