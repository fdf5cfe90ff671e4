internal import CacheKit
internal import CacheKitCore
internal import Logging

/// Servers that share the keys among them by slots: Redis Cluster
/// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
struct ClusterTopology: Topology {
    let map: ClusterMap
    let nodes: ClusterNodes
    let counters: ClusterCounters
    let bounds: ClusterRoute.Bounds
    /// Whether replicas answer what only reads.
    let readsFromReplicas: Bool

    var hasOneServer: Bool { false }

    init(
        map settings: ClusterMap.Settings, bounds: ClusterRoute.Bounds, readsFromReplicas: Bool, logger: Logger,
        nodeSettings: @escaping @Sendable (ClusterNodes.Key) -> RedisNode.Settings
    ) {
        nodes = ClusterNodes(logger: logger, settings: nodeSettings)
        counters = ClusterCounters()
        map = ClusterMap(settings, nodes: nodes, counters: counters)
        self.bounds = bounds
        self.readsFromReplicas = readsFromReplicas
    }

    func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element]
    ) async throws(CacheError) -> [Operation.Output] {
        guard !elements.isEmpty else { return [] }
        var call = ClusterCall(operation, elements, self)
        return try await call.run()
    }

    func send(_ batch: CommandBatch, for key: String?) async throws(CacheError) -> [RESPValue] {
        guard let key else { return try await sendAnywhere(batch) }
        var route = ClusterRoute(slot: HashSlot(of: key))
        while true {
            let map = try await map.current()
            route.begin(at: .now, bounds)
            guard let key = route.key(in: map, choice: 0) else {
                try await take(note(nobodyHas: &route))
                continue
            }
            let step: ClusterRoute.Step
            do throws(CacheError) {
                let replies = try await send(batch, to: key, asking: route.target.asks)
                guard let found = Redirection.first(in: replies[...], from: key.endpoint) else { return replies }
                step = note(found.redirection, found.text, &route)
            } catch {
                step = await note(error, of: key, &route)
            }
            try await take(step)
        }
    }

    func masters() async throws(CacheError) -> [RedisEndpoint] {
        try await map.current().masters
    }

    func servers() async throws(CacheError) -> [RedisNode] {
        var servers: [RedisNode] = []
        for endpoint in try await map.current().masters {
            servers.append(try nodes.node(ClusterNodes.Key(endpoint: endpoint)))
        }
        return servers
    }

    func confirmedMasters() async throws(CacheError) -> [RedisEndpoint] {
        try await map.confirmed().masters
    }

    func shard(of slot: Int) -> Int? {
        HashSlot(number: slot).flatMap { map.owner(of: $0)?.hashValue }
    }

    var warnings: [String] { nodes.warnings }
    var breaker: RemoteBreaker { nodes.breaker }

    func close() {
        map.close()
        nodes.close()
    }

    /// To any master; the next one where one is away.
    private func sendAnywhere(_ batch: CommandBatch) async throws(CacheError) -> [RESPValue] {
        var failure = CacheError(.remoteNotReady, "the Redis Cluster has no master; see CLUSTER SLOTS")
        for endpoint in try await map.current().masters.shuffled() {
            do throws(CacheError) {
                return try await nodes.node(ClusterNodes.Key(endpoint: endpoint)).send(batch)
            } catch {
                map.doubt()
                guard error.code == .remoteUnavailable else { throw error }
                failure = error
            }
        }
        throw failure
    }

    private func send(
        _ batch: CommandBatch, to key: ClusterNodes.Key, asking: Bool
    ) async throws(CacheError) -> [RESPValue] {
        let node = try nodes.node(key)
        guard asking else { return try await node.send(batch) }
        return Array(try await node.send(batch.preceded(by: Self.asking)).dropFirst())
    }

    private static let asking: RESPWriter = {
        var writer = RESPWriter()
        writer.command("ASKING")
        return writer
    }()

    private func take(_ step: ClusterRoute.Step) async throws(CacheError) {
        switch step {
        case .again: return
        case .fail(let error): throw error
        case .wait(let duration):
            guard (try? await Task.sleep(for: duration)) != nil else { throw .redisCancelled() }
        }
    }
}

// What every call tells the map and the counters of what it met.
extension ClusterTopology {
    /// An error reply that says where to go, or to wait.
    func note(_ redirection: Redirection, _ text: String, _ route: inout ClusterRoute) -> ClusterRoute.Step {
        if route.target == .replica { counters.count { $0.replicaFallbacks += 1 } }
        switch redirection {
        case .moved(let endpoint):
            counters.count { $0.moved += 1 }
            // A replica names its master also when the map is right.
            if route.target != .replica {
                map.learn(route.slot, isAt: endpoint)
                map.doubt(hint: endpoint)
            }
        case .ask: counters.count { $0.asked += 1 }
        case .tryAgain: counters.count { $0.triedAgain += 1 }
        case .notReady:
            counters.count { $0.notReady += 1 }
            map.doubt()
        case .malformed: break
        }
        return route.redirect(redirection, text, at: .now, bounds, fraction: .random(in: 0..<1))
    }

    /// Keys of commands that belong together are at both ends of a slot that is on the way.
    func note(separating redirection: Redirection, _ route: inout ClusterRoute) -> ClusterRoute.Step {
        counters.count { counts in
            if redirection == .tryAgain { counts.triedAgain += 1 } else { counts.asked += 1 }
        }
        return route.separate(at: .now, bounds, fraction: .random(in: 0..<1))
    }

    /// The map has nobody for the slot.
    func note(nobodyHas route: inout ClusterRoute) -> ClusterRoute.Step {
        counters.count { $0.notReady += 1 }
        map.doubt()
        return route.wait(at: .now, bounds, fraction: .random(in: 0..<1))
    }

    /// A server that could not be asked, or did not answer.
    func note(
        _ error: CacheError, of key: ClusterNodes.Key, _ route: inout ClusterRoute
    ) async -> ClusterRoute.Step {
        await doubt(after: error, of: key)
        return note(confirmed: error, of: key, &route)
    }

    /// Makes sure of the map where another server may do instead, and has it asked for where not.
    func doubt(after error: CacheError, of key: ClusterNodes.Key) async {
        switch error.code {
        case .cancelled, .shutdown, .backPressure: return
        case .remoteUnavailable where !key.isReplica: _ = try? await map.confirmed()
        default: map.doubt()
        }
    }

    /// As above, once the map was asked for.
    func note(
        confirmed error: CacheError, of key: ClusterNodes.Key, _ route: inout ClusterRoute
    ) -> ClusterRoute.Step {
        if key.isReplica { counters.count { $0.replicaFallbacks += 1 } }
        return route.fail(error, of: key, map.known, at: .now, bounds)
    }
}
