internal import CacheKit
internal import CacheKitCore

/// Where commands about one slot go next: decided from what came of sending them; no clock, no I/O.
struct ClusterRoute: Sendable {
    /// The bounds of trying again.
    struct Bounds: Sendable {
        var redirections = 16
        /// From the first try on; the last one begins before that.
        var time: Duration
        var backoff: Backoff
    }

    enum Target: Sendable, Equatable {
        /// Who has the slot by the map.
        case master
        /// One of those who follow it.
        case replica
        /// Who has it by a redirection, whatever the map says by then.
        case moved(RedisEndpoint)
        /// Who is getting it; the commands are preceded by `ASKING`.
        case asked(RedisEndpoint)

        var asks: Bool {
            if case .asked = self { true } else { false }
        }
    }

    enum Step: Sendable {
        case again
        case wait(Duration)
        case fail(CacheError)
    }

    /// Two nodes may disagree on a slot for a moment; after so many redirections they are given time.
    private static let promptRedirections = 3

    let slot: HashSlot
    private(set) var target: Target
    private var redirections = 0
    private var waits = 0
    private var deadline: ContinuousClock.Instant?

    init(slot: HashSlot, readsFromReplica: Bool = false) {
        self.slot = slot
        target = readsFromReplica ? .replica : .master
    }

    /// The server that the target is; `nil` when nobody has the slot.
    ///
    /// - Parameter choice: picks a replica; the same for all that belongs together.
    func key(in map: SlotMap, choice: Int) -> ClusterNodes.Key? {
        switch target {
        case .moved(let endpoint), .asked(let endpoint): return ClusterNodes.Key(endpoint: endpoint)
        case .master: return map.shard(of: slot).map { ClusterNodes.Key(endpoint: $0.master) }
        case .replica:
            guard let shard = map.shard(of: slot) else { return nil }
            guard !shard.replicas.isEmpty else { return ClusterNodes.Key(endpoint: shard.master) }
            return ClusterNodes.Key(endpoint: shard.replicas[choice % shard.replicas.count], isReplica: true)
        }
    }

    /// A try begins.
    mutating func begin(at now: ContinuousClock.Instant, _ bounds: Bounds) {
        if deadline == nil { deadline = now + bounds.time }
    }

    /// After an error reply that says so.
    ///
    /// - Parameters:
    ///   - text: the reply.
    ///   - fraction: random, from 0 up to 1.
    mutating func redirect(
        _ redirection: Redirection, _ text: String, at now: ContinuousClock.Instant, _ bounds: Bounds, fraction: Double
    ) -> Step {
        // A replica that can't answer names its master, or nobody; the map knows it.
        if target == .replica { return fallBack(at: now, bounds) }
        switch redirection {
        case .malformed: return .fail(.redisUnexpectedReply())
        case .moved(let endpoint): target = .moved(endpoint)
        case .ask(let endpoint): target = .asked(endpoint)
        case .tryAgain, .notReady:
            target = .master
            return wait(.redisReply(text), at: now, bounds, fraction)
        }
        return redirected(at: now, bounds, fraction)
    }

    /// After the keys of several commands turned out to be at both ends of a slot that is on the way: each goes by itself,
    /// first to where the slot still is.
    mutating func separate(at now: ContinuousClock.Instant, _ bounds: Bounds, fraction: Double) -> Step {
        target = .master
        return redirected(at: now, bounds, fraction)
    }

    /// When nobody has the slot.
    mutating func wait(at now: ContinuousClock.Instant, _ bounds: Bounds, fraction: Double) -> Step {
        target = .master
        return wait(
            CacheError(.remoteNotReady, "nobody in the Redis Cluster has the slot of a key; see CLUSTER SLOTS"),
            at: now, bounds, fraction)
    }

    /// After the server could not be asked.
    ///
    /// - Parameter map: what is known since; another owner of the slot is asked instead.
    mutating func fail(
        _ error: CacheError, of key: ClusterNodes.Key, _ map: SlotMap?, at now: ContinuousClock.Instant,
        _ bounds: Bounds
    ) -> Step {
        switch error.code {
        case .cancelled, .shutdown, .backPressure: return .fail(error)
        default: break
        }
        // Only what reads is sent to a replica.
        if key.isReplica { return fallBack(at: now, bounds) }
        // Nothing was sent. Of any other loss the outcome is open.
        guard error.code == .remoteUnavailable, let master = map?.shard(of: slot)?.master, master != key.endpoint
        else { return .fail(error) }
        target = .master
        redirections += 1
        return isOver(at: now, bounds) ? .fail(error) : .again
    }

    private mutating func fallBack(at now: ContinuousClock.Instant, _ bounds: Bounds) -> Step {
        target = .master
        return isLate(now) ? .fail(.redisTimeout()) : .again
    }

    private mutating func redirected(
        at now: ContinuousClock.Instant, _ bounds: Bounds, _ fraction: Double
    ) -> Step {
        redirections += 1
        guard !isOver(at: now, bounds) else { return .fail(.redisRedirectedTooOften()) }
        guard redirections > Self.promptRedirections else { return .again }
        return wait(.redisRedirectedTooOften(), at: now, bounds, fraction)
    }

    private mutating func wait(
        _ error: CacheError, at now: ContinuousClock.Instant, _ bounds: Bounds, _ fraction: Double
    ) -> Step {
        let wait = bounds.backoff.wait(afterFailures: waits, fraction: fraction)
        waits += 1
        return isLate(now + wait) ? .fail(error) : .wait(wait)
    }

    private func isOver(at now: ContinuousClock.Instant, _ bounds: Bounds) -> Bool {
        redirections > bounds.redirections || isLate(now)
    }

    private func isLate(_ now: ContinuousClock.Instant) -> Bool {
        deadline.map { now >= $0 } ?? false
    }
}
