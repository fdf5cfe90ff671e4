import CacheKitCore
import Synchronization

/// What is well and what is not, in words for an operator.
public struct CacheHealth: Sendable {
    /// The local store.
    public var local: TierHealth
    /// The remote store.
    public var remote: TierHealth
    /// Whether the remote is asked at all now, or held off after failures.
    public var breaker: RemoteBreaker
    /// Whether changes that others make in the remote are heard of.
    public var following: RemoteFollowing
    /// What the last write failed with, where any would have: within the last minute, and none has succeeded since.
    public var writeError: CacheError?
    /// The way to the remote; `nil` without a synchronizer.
    public var sync: SyncStatus?
    /// How far the rows of the file are known to be what the remote has; `nil` without both.
    public var verification: Verification?
    /// Sentences that each say what is wrong and what to do; empty when all is well.
    public var warnings: [String]
}

/// How far the rows of the file are known to be what the remote has.
public struct Verification: Sendable, Equatable {
    /// Rows that are asked for before they are served again, about: a row may be counted for a key that is not held.
    public var unverifiedRows: Int
    /// When all rows were last compared with the remote; `nil` if this cache never has.
    public var lastComparison: Timestamp?
}

extension Cache {
    /// Asks every tier whether it answers; one round trip to the remote.
    public func health() async -> CacheHealth {
        var warnings: [String] = []
        var sync: SyncStatus?
        let localHealth = await health(of: local != nil, counters.lastLocalError) { () async throws(CacheError) in
            _ = try await self.local?.watermark()
        }
        let remoteHealth = await health(of: remote != nil, counters.lastRemoteError) { () async throws(CacheError) in
            try await self.remote?.ping()
        }
        if let synchronizer {
            sync = try? await synchronizer.status()
            if sync?.activity == .notRunning {
                warnings.append(Self.notRunningWarning)
            }
            if let error = sync?.lastError {
                warnings.append("the last push failed (\(error)); what is pending stays in the file and is tried again")
            }
        }
        warnings += sync?.warnings ?? []
        if let lost = sync?.lostBuckets, lost > 0 {
            warnings.append("the remote lost changes that it had; they are being sent again (\(lost) of its buckets)")
        }
        if case .unavailable(let error) = localHealth.state {
            warnings.append("the local store does not answer (\(error))")
        }
        if case .unavailable(let error) = remoteHealth.state {
            warnings.append("the remote does not answer (\(error))")
        }
        let writeError = counters.writeFailure.error(at: clock.now())
        if let writeError { warnings.append("writes fail (\(writeError))") }
        if writeError == nil, let warning = Self.refusal(remoteHealth, clock.now()) { warnings.append(warning) }
        warnings += remote?.warnings ?? []
        let following = remote?.following ?? .absent
        if let warning = Self.warning(following) {
            warnings.append(warning)
        } else if case .idle = following, synchronizer == nil {
            warnings.append(Self.notFollowingWarning)
        }
        return CacheHealth(
            local: localHealth, remote: remoteHealth, breaker: remote?.breaker ?? .closed, following: following,
            writeError: writeError, sync: sync,
            verification: await verification(), warnings: warnings)
    }

    /// Asks the local store only where rows are from before a gap.
    func verification() async -> Verification? {
        guard let local, remote != nil else { return nil }
        let extent = unverified.extent
        var count = 0
        if extent.through > .zero {
            guard let rows = try? await local.rowCount(through: extent.through) else { return nil }
            count = max(0, rows - extent.verified)
        }
        return Verification(
            unverifiedRows: count + extent.marked, lastComparison: lastReconciledAt.withLock { $0 })
    }

    static let notFollowingWarning =
        "nobody runs this cache, so what others change is served from memory until it expires: call run(), or wrap the work in running { }"

    static let notRunningWarning =
        "nobody runs this cache, so changes wait in the file: call run(), or wrap the work in running { }"

    private static func warning(_ following: RemoteFollowing) -> String? {
        switch following {
        case .absent, .idle, .active: nil
        case .lost(let error):
            "what others change in the remote is not heard of now (\(error)); once it is, what came from there is asked for again"
        case .refused(let error):
            "the remote does not tell what others change (\(error)), so entries are served until they expire; allow this user CLIENT TRACKING and the channel __redis__:invalidate"
        }
    }

    /// A user may be allowed to ask whether the remote is there, and nothing else.
    private static func refusal(_ remote: TierHealth, _ now: Timestamp) -> String? {
        guard case .available = remote.state, let error = remote.lastError, error.code == .remoteAuthentication,
            let time = remote.lastErrorAt, time.advanced(by: WriteFailure.memory) > now
        else { return nil }
        return "the remote refuses what this user asks of it (\(error))"
    }

    private func health(
        of present: Bool, _ last: LastError, _ probe: () async throws(CacheError) -> Void
    ) async -> TierHealth {
        guard present else { return TierHealth(state: .absent) }
        var health = TierHealth(state: .available)
        let began = clock.uptime()
        do {
            try await probe()
            health.latency = clock.uptime() - began
        } catch {
            last.note(error, at: clock.now())
            health.state = .unavailable(error)
        }
        (health.lastError, health.lastErrorAt) = (last.value?.error, last.value?.time)
        return health
    }

    /// What the cache holds and has done since it was made.
    public func statistics() -> CacheStatistics {
        var statistics = CacheStatistics()
        statistics.memory = memory.statistics
        statistics.localHits = counters.localHits.value
        statistics.localMisses = counters.localMisses.value
        statistics.remoteHits = counters.remoteHits.value
        statistics.remoteMisses = counters.remoteMisses.value
        statistics.remoteFailures = counters.remoteFailures.value
        statistics.loads = counters.loads.value
        statistics.loadFailures = counters.loadFailures.value
        statistics.loadTime = .microseconds(counters.loadMicroseconds.value)
        statistics.staleServed = counters.staleServed.value
        statistics.renewals = counters.renewals.value
        statistics.loadsElsewhere = counters.loadsElsewhere.value
        statistics.loadLockTimeouts = counters.loadLockTimeouts.value
        statistics.loadLockFailures = counters.loadLockFailures.value
        statistics.undecodable = counters.undecodable.value
        statistics.writes = counters.writes.value
        statistics.deletes = counters.deletes.value
        statistics.storeFailures = counters.storeFailures.value
        statistics.invalidatedKeys = counters.invalidatedKeys.value
        statistics.gaps = counters.gaps.value
        statistics.removals = counters.removals.value
        statistics.removedEntries = counters.removedEntries.value
        (statistics.localEvictions, statistics.localExpirations) =
            local.map {
                ($0.removals.evicted, $0.removals.expired)
            } ?? (0, 0)
        statistics.openFailures = counters.openFailures.statistics
        statistics.backgroundLoads = background.count
        statistics.namespaces[""] = registry.fallback.counters.statistics
        for state in registry.declared {
            if let name = state.name { statistics.namespaces[name] = state.counters.statistics }
        }
        return statistics
    }
}
