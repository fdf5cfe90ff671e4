internal import CacheKit
internal import CacheKitCore
internal import Synchronization

/// The map of a Cluster that is believed now. It is asked for when it is first needed and whenever something does not fit
/// it: by one refresh at a time, not more often than an interval, whatever the number of callers.
final class ClusterMap: Sendable {
    struct Settings: Sendable {
        /// Some servers of the Cluster.
        var seeds: [RedisEndpoint]
        /// Refreshes begin at least so far apart.
        var interval: Duration = .milliseconds(200)
        /// How long one server is waited for before the next one is asked as well.
        var patience: Duration
        /// How long a refresh may take.
        var timeout: Duration
        /// Callers that may wait for one.
        var waitingCallers: Int
    }

    private struct State {
        var map: SlotMap?
        var refresh: Task<Void, Never>?
        var waiters: [OneShot<SlotMap>] = []
        /// Who is likely to know best.
        var hint: RedisEndpoint?
        var lastBegan: ContinuousClock.Instant?
        var lastAnswered: ContinuousClock.Instant?
        var isClosed = false
    }

    /// Beside all seeds, so many servers of the map are asked.
    private static let maximumAsked = 8

    private let settings: Settings
    private let nodes: ClusterNodes
    private let counters: ClusterCounters
    private let state = Mutex(State())

    init(_ settings: Settings, nodes: ClusterNodes, counters: ClusterCounters) {
        self.settings = settings
        self.nodes = nodes
        self.counters = counters
    }

    /// What is known now.
    var known: SlotMap? { state.withLock { $0.map } }

    /// The master that has a slot, as far as is known now.
    func owner(of slot: HashSlot) -> RedisEndpoint? {
        state.withLock { $0.map?.shard(of: slot)?.master }
    }

    /// The map, whatever its age; waits where there is none yet.
    func current() async throws(CacheError) -> SlotMap {
        if let map = known { return map }
        return try await refreshed()
    }

    /// A map no older than the interval between refreshes.
    @discardableResult
    func confirmed() async throws(CacheError) -> SlotMap {
        let fresh = state.withLock { state -> SlotMap? in
            guard let answered = state.lastAnswered, answered + settings.interval > .now else { return nil }
            return state.map
        }
        if let fresh { return fresh }
        return try await refreshed()
    }

    /// Something does not fit the map: it is asked for in the background.
    func doubt(hint: RedisEndpoint? = nil) {
        state.withLock { state in
            if let hint { state.hint = hint }
            begin(&state)
        }
    }

    /// Takes a redirection's word for one slot.
    func learn(_ slot: HashSlot, isAt master: RedisEndpoint) {
        state.withLock { $0.map?.learn(slot, isAt: master) }
    }

    /// Ends the refresh under way; later calls get `shutdown`.
    func close() {
        let (refresh, waiters) = state.withLock { state in
            defer {
                state.isClosed = true
                state.refresh = nil
                state.waiters = []
            }
            return (state.refresh, state.waiters)
        }
        refresh?.cancel()
        for waiter in waiters { waiter.finish(.failure(.redisShutdown())) }
    }

    /// Waits for the next refresh to end, or for the one under way.
    private func refreshed() async throws(CacheError) -> SlotMap {
        let waiter = OneShot<SlotMap>()
        let refusal = state.withLock { state -> CacheError? in
            guard !state.isClosed else { return .redisShutdown() }
            // Those who gave up meanwhile don't count.
            if state.waiters.count >= settings.waitingCallers { state.waiters.removeAll { $0.isFinished } }
            guard state.waiters.count < max(1, settings.waitingCallers) else { return .redisBackPressure() }
            state.waiters.append(waiter)
            begin(&state)
            return nil
        }
        if let refusal { throw refusal }
        return try await waiter.value()
    }

    private func begin(_ state: inout State) {
        guard !state.isClosed, state.refresh == nil else { return }
        let begin = max(.now, state.lastBegan.map { $0 + settings.interval } ?? .now)
        state.lastBegan = begin
        // Not a task of the caller: it may be cancelled, and others wait for the same map.
        state.refresh = Task.detached {
            if begin > .now { try? await Task.sleep(until: begin, clock: .continuous) }
            let result = await self.ask(self.candidates())
            self.finish(result)
        }
    }

    private func finish(_ result: Result<SlotMap, CacheError>) {
        let waiters = state.withLock { state -> [OneShot<SlotMap>] in
            state.refresh = nil
            if case .success(let map) = result, !state.isClosed {
                state.map = map
                state.lastAnswered = .now
                state.hint = nil
            }
            defer { state.waiters = [] }
            return state.waiters
        }
        if case .success(let map) = result { nodes.keep(map) }
        for waiter in waiters { waiter.finish(result) }
    }

    /// Whom to ask, in this order: who is likely to know, masters, replicas, then the seeds.
    private func candidates() -> [RedisEndpoint] {
        let (map, hint) = state.withLock { ($0.map, $0.hint) }
        var candidates: [RedisEndpoint] = []
        if let hint { candidates.append(hint) }
        if let map {
            candidates += map.masters.shuffled().prefix(Self.maximumAsked)
            candidates += map.replicas.shuffled().prefix(Self.maximumAsked)
        }
        candidates += settings.seeds.shuffled()
        var seen: Set<RedisEndpoint> = []
        return candidates.filter { seen.insert($0).inserted }
    }

    private enum Answer: Sendable {
        case map(Result<SlotMap, CacheError>)
        case patienceIsOver
        case timeIsUp
    }

    /// The first map that any of them gives. One that is silent holds up the next for a moment only.
    private func ask(_ candidates: [RedisEndpoint]) async -> Result<SlotMap, CacheError> {
        counters.count { $0.refreshes += 1 }
        return await withTaskGroup(of: Answer.self) { group in
            defer { group.cancelAll() }
            var left = candidates[...]
            var asked = 0
            var failure: CacheError?
            group.addTask { [settings] in
                try? await Task.sleep(for: settings.timeout)
                return .timeIsUp
            }
            func askNext() {
                guard let endpoint = left.popFirst() else { return }
                asked += 1
                group.addTask { .map(await self.ask(endpoint)) }
                guard !left.isEmpty else { return }
                group.addTask { [settings] in
                    try? await Task.sleep(for: settings.patience)
                    return .patienceIsOver
                }
            }
            askNext()
            for await answer in group {
                switch answer {
                case .map(.success(let map)): return .success(map)
                case .map(.failure(let error)):
                    asked -= 1
                    // That nobody is there says the least.
                    if failure == nil || error.code != .remoteUnavailable { failure = error }
                    askNext()
                    if asked == 0 { return .failure(failure ?? error) }
                case .patienceIsOver: askNext()
                case .timeIsUp: return .failure(failure ?? .redisTimeout())
                }
            }
            return .failure(failure ?? .redisTimeout())
        }
    }

    private func ask(_ endpoint: RedisEndpoint) async -> Result<SlotMap, CacheError> {
        var writer = RESPWriter()
        writer.command("CLUSTER", "SLOTS")
        do throws(CacheError) {
            let node = try nodes.node(ClusterNodes.Key(endpoint: endpoint))
            let batch = CommandBatch(writer, valuesPerReply: 4, isIdempotent: true)
            switch try await node.send(batch).first {
            case .error(let text): throw .redisReply(text)
            case let reply?: return .success(try SlotMap(reply, from: endpoint))
            case nil: throw .redisUnexpectedReply()
            }
        } catch {
            return .failure(error)
        }
    }
}
