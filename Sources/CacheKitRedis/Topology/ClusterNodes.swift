internal import CacheKit
internal import CacheKitCore
internal import Logging
internal import Synchronization

/// The servers of a Cluster that were needed so far, each with its connection.
final class ClusterNodes: Sendable {
    /// A server, and what it is asked as: a replica that is read from is logged into in its own way.
    struct Key: Hashable, Sendable {
        var endpoint: RedisEndpoint
        var isReplica = false
    }

    private struct State {
        var nodes: [Key: RedisNode] = [:]
        var isClosed = false
    }

    private let settings: @Sendable (Key) -> RedisNode.Settings
    private let logger: Logger
    private let state = Mutex(State())

    init(logger: Logger, settings: @escaping @Sendable (Key) -> RedisNode.Settings) {
        self.settings = settings
        self.logger = logger
    }

    /// The server under a key; it connects when it is first sent something.
    func node(_ key: Key) throws(CacheError) -> RedisNode {
        let node = state.withLock { state -> Result<RedisNode, CacheError> in
            guard !state.isClosed else { return .failure(.redisShutdown()) }
            if let node = state.nodes[key] { return .success(node) }
            // Each has a thread and a descriptor. A map has no more; redirections to ever new places may.
            guard state.nodes.count < 2 * SlotMap.maximumServers else { return .failure(.redisSlotMap()) }
            let node = RedisNode(settings(key), logger: logger)
            state.nodes[key] = node
            return .success(node)
        }
        return try node.get()
    }

    /// Lets go of all servers that are not in a map. Those still waited for end with their last caller.
    func keep(_ map: SlotMap) {
        let kept = Set(map.masters.map { Key(endpoint: $0) } + map.replicas.map { Key(endpoint: $0, isReplica: true) })
        let gone = state.withLock { state -> [Key: RedisNode] in
            let gone = state.nodes.filter { !kept.contains($0.key) }
            for key in gone.keys { state.nodes[key] = nil }
            return gone
        }
        // Closing takes locks of its own: only now.
        withExtendedLifetime(gone) {}
    }

    /// Sentences about servers that are not asked now.
    var breaker: RemoteBreaker { state.withLock { Array($0.nodes.values) }.map(\.breaker).max() ?? .closed }
    var warnings: [String] { state.withLock { Array($0.nodes.values) }.flatMap(\.warnings) }

    /// Ends every connection; later calls get `shutdown`.
    func close() {
        let nodes = state.withLock { state -> [Key: RedisNode] in
            defer {
                state.nodes = [:]
                state.isClosed = true
            }
            return state.nodes
        }
        for node in nodes.values { node.close() }
    }
}
