internal import CacheKit
internal import CacheKitCore
internal import Logging
internal import Synchronization

/// Hears of changed keys from every master: one link for each, as the topology names them.
final class InvalidationFollower: ConnectionObserver {
    private struct State {
        /// The shared connection to each server, whether or not anybody follows.
        var connections: [RedisEndpoint: RedisConnection] = [:]
        var links: [RedisEndpoint: InvalidationLink] = [:]
        var isFollowed = false
        var isClosed = false
        /// Why the masters are not known.
        var failure: CacheError?
        /// Since when changes are not heard of.
        var outageBegan: ContinuousClock.Instant?
        /// Whether the log was told of it.
        var isOutageLogged = false
        /// A server that refuses is a matter for an operator, who is told once.
        var isRefusalLogged = false
    }

    /// How often the topology is asked for its masters, and a connection is made where there is none.
    private static let interval: Duration = .seconds(1)

    private let prefixes: TrackedPrefixes
    private let logger: Logger
    private let settings: @Sendable (RedisEndpoint) -> RedisNode.Settings
    private let state = Mutex(State())

    init(prefixes: [String], logger: Logger, settings: @escaping @Sendable (RedisEndpoint) -> RedisNode.Settings) {
        self.prefixes = TrackedPrefixes(prefixes)
        self.logger = logger
        self.settings = settings
    }

    func connected(_ connection: RedisConnection, to endpoint: RedisEndpoint) {
        let link = state.withLock { state in
            state.connections[endpoint] = connection
            return state.links[endpoint]
        }
        link?.connected(connection)
    }

    func lost(_ connection: RedisConnection, from endpoint: RedisEndpoint) {
        let link = state.withLock { state in
            if state.connections[endpoint] === connection { state.connections[endpoint] = nil }
            return state.links[endpoint]
        }
        link?.lost(connection)
    }

    /// Ends every link; nobody can follow from now on.
    func close() {
        let links = state.withLock { state in
            state.isClosed = true
            return state.links.values
        }
        for link in links { link.end() }
    }

    /// Follows every master until the task is cancelled or the store closed.
    func follow(_ topology: any Topology, _ report: @escaping @Sendable (RemoteInvalidation) -> Void) async {
        while !begin() {
            guard await pause() else { return }
        }
        defer { finish() }
        await withTaskGroup(of: Void.self) { group in
            repeat {
                for link in update(await masters(of: topology), report) { group.addTask { await link.run() } }
                noteOutage()
                await connect(topology)
            } while await pause()
            group.cancelAll()
        }
    }

    /// Whether changes are heard of from every master.
    var following: RemoteFollowing {
        let (isFollowed, failure, links) = state.withLock { ($0.isFollowed, $0.failure, Array($0.links.values)) }
        guard isFollowed else { return .idle }
        var lost = failure.map { RemoteFollowing.lost($0) }
        for link in links {
            switch link.following(needsConnection: links.count == 1) {
            case .refused(let error): return .refused(error)
            case .lost(let error): lost = lost ?? .lost(error)
            case .absent, .idle, .active: break
            }
        }
        return lost ?? (links.isEmpty ? .lost(.redisNotFollowed()) : .active)
    }

    private func begin() -> Bool {
        state.withLock { state in
            guard !state.isFollowed else { return false }
            state.isFollowed = true
            return true
        }
    }

    private func finish() {
        let links = state.withLock { state in
            state.isFollowed = false
            state.outageBegan = nil
            defer { state.links = [:] }
            return state.links.values
        }
        for link in links { link.end() }
    }

    /// `false` when it is time to stop.
    private func pause() async -> Bool {
        guard !state.withLock({ $0.isClosed }) else { return false }
        return (try? await Task.sleep(for: Self.interval)) != nil && !state.withLock { $0.isClosed }
    }

    /// `nil` when the topology does not know.
    private func masters(of topology: any Topology) async -> [RedisEndpoint]? {
        // A master that is lost may have a successor, which calls would find: perhaps there are none.
        let isAnyLost = state.withLock { Array($0.links.values) }.contains { link in
            if case .lost = link.following(needsConnection: false) { true } else { false }
        }
        do throws(CacheError) {
            let masters = try await isAnyLost ? topology.confirmedMasters() : topology.masters()
            state.withLock { $0.failure = nil }
            return masters
        } catch {
            state.withLock { $0.failure = error }
            return nil
        }
    }

    /// Ends links to servers that are no masters any more and gives those to masters that are new, which have to be run.
    private func update(
        _ masters: [RedisEndpoint]?, _ report: @escaping @Sendable (RemoteInvalidation) -> Void
    ) -> [InvalidationLink] {
        // Masters that can't be asked for now are still those that were known.
        guard let masters, !masters.isEmpty else { return [] }
        let wanted = Set(masters)
        let (ended, missing) = state.withLock { state in
            let ended = state.links.filter { !wanted.contains($0.key) }
            for endpoint in ended.keys { state.links[endpoint] = nil }
            return (ended.values.map { $0 }, wanted.filter { state.links[$0] == nil })
        }
        for link in ended { link.end() }
        // What those servers would have told of their keys is not known.
        if !ended.isEmpty { report(.everything) }
        return missing.map { endpoint in
            let link = InvalidationLink(settings: settings(endpoint), prefixes: prefixes, report: report)
            let connection = state.withLock { state in
                state.links[endpoint] = link
                return state.connections[endpoint]
            }
            if let connection { link.connected(connection) }
            return link
        }
    }

    /// Lets the topology connect where it has not: with one master, hearing of changes should not wait for the next call.
    private func connect(_ topology: any Topology) async {
        let needsCall = state.withLock { state in
            state.links.count == 1 && state.links.values.allSatisfy(\.lacksConnection)
        }
        guard needsCall else { return }
        var writer = RESPWriter()
        writer.command("PING")
        _ = try? await topology.send(CommandBatch(writer, isIdempotent: true), for: nil)
    }

    /// The log tells of an outage once, when it has lasted for a moment and when it ends.
    private func noteOutage() {
        let following = following
        switch following {
        case .active, .absent, .idle:
            let ended = state.withLock { state -> ContinuousClock.Instant? in
                defer { (state.outageBegan, state.isOutageLogged, state.isRefusalLogged) = (nil, false, false) }
                return state.isOutageLogged ? state.outageBegan : nil
            }
            guard let ended else { return }
            logger.notice(
                "changes of others are heard of from Redis", metadata: ["after": "\(ended.duration(to: .now))"])
        case .lost(let error):
            let isLogged = state.withLock { state in
                guard state.outageBegan != nil else {
                    state.outageBegan = .now
                    return true
                }
                defer { state.isOutageLogged = true }
                return state.isOutageLogged
            }
            guard !isLogged else { return }
            logger.notice("changes of others are not heard of from Redis", metadata: ["error": "\(error)"])
        case .refused(let error):
            let isLogged = state.withLock { state in
                defer { (state.isOutageLogged, state.isRefusalLogged) = (true, true) }
                state.outageBegan = state.outageBegan ?? .now
                return state.isRefusalLogged
            }
            guard !isLogged else { return }
            logger.warning(
                "Redis does not tell of changes of others, so entries are served until they expire",
                metadata: ["error": "\(error)"])
        }
    }
}
