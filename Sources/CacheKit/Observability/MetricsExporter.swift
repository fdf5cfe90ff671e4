import Metrics

/// Hands the growth of the cache's counters to swift-metrics, now and then, so that no read pays for it.
struct MetricsExporter {
    private var last = CacheStatistics()
    private var lastOutcomes: [String: Int] = [:]
    private var lastNamespaces: [String: NamespaceStatistics] = [:]
    private var named: Set<String> = []
    /// Where to, unless a call says otherwise; the process' own for `nil`.
    var factory: (any MetricsFactory)?

    /// So many namespaces have labels of their own; what the others do is under `other`.
    static let maximumNamespaces = 100

    private static let counters:
        [(label: String, dimensions: [(String, String)], path: any KeyPath<CacheStatistics, Int> & Sendable)] = [
            ("cachekit_reads", [("tier", "memory"), ("result", "hit")], \.memory.hits),
            ("cachekit_reads", [("tier", "memory"), ("result", "miss")], \.memory.misses),
            ("cachekit_reads", [("tier", "local"), ("result", "hit")], \.localHits),
            ("cachekit_reads", [("tier", "local"), ("result", "miss")], \.localMisses),
            ("cachekit_reads", [("tier", "remote"), ("result", "hit")], \.remoteHits),
            ("cachekit_reads", [("tier", "remote"), ("result", "miss")], \.remoteMisses),
            ("cachekit_reads", [("tier", "remote"), ("result", "failure")], \.remoteFailures),
            ("cachekit_memory_removals", [("reason", "eviction")], \.memory.evictions),
            ("cachekit_memory_removals", [("reason", "expiration")], \.memory.expirations),
            ("cachekit_local_removals", [("reason", "eviction")], \.localEvictions),
            ("cachekit_local_removals", [("reason", "expiration")], \.localExpirations),
            ("cachekit_loads", [("result", "success")], \.loads),
            ("cachekit_loads", [("result", "failure")], \.loadFailures),
            ("cachekit_loads", [("result", "elsewhere")], \.loadsElsewhere),
            ("cachekit_load_locks", [("result", "timeout")], \.loadLockTimeouts),
            ("cachekit_load_locks", [("result", "failure")], \.loadLockFailures),
            ("cachekit_load_milliseconds", [], \.loadMilliseconds),
            ("cachekit_stale_served", [], \.staleServed),
            ("cachekit_renewals", [], \.renewals),
            ("cachekit_open_failures", [("reason", "authentication")], \.openFailures.authentication),
            ("cachekit_open_failures", [("reason", "envelope")], \.openFailures.envelope),
            ("cachekit_open_failures", [("reason", "decoding")], \.openFailures.decoding),
            ("cachekit_open_failures", [("reason", "tampered")], \.openFailures.tampered),
            ("cachekit_undecodable", [], \.undecodable),
            ("cachekit_writes", [("kind", "set")], \.writes),
            ("cachekit_writes", [("kind", "delete")], \.deletes),
            ("cachekit_store_failures", [], \.storeFailures),
            ("cachekit_invalidations", [("kind", "key")], \.invalidatedKeys),
            ("cachekit_invalidations", [("kind", "everything")], \.gaps),
            ("cachekit_removals", [], \.removals),
            ("cachekit_removed_entries", [], \.removedEntries),
        ]

    /// Exports the growth since the last time, and what is held and pending now.
    mutating func export(
        _ statistics: CacheStatistics, status: SyncStatus?, _ verification: Verification? = nil,
        breaker: RemoteBreaker? = nil, local: LocalSize = LocalSize(), now: Timestamp = Timestamp(milliseconds: 0),
        factory other: (any MetricsFactory)? = nil
    ) {
        let factory = other ?? factory ?? MetricsSystem.factory
        for (label, dimensions, path) in Self.counters {
            let growth = statistics[keyPath: path] - last[keyPath: path]
            if growth > 0 { Counter(label: label, dimensions: dimensions, factory: factory).increment(by: growth) }
        }
        last = statistics
        export(statistics.namespaces, factory)
        if let breaker { Gauge(label: "cachekit_breaker", factory: factory).record(breaker.rawValue) }
        Gauge(label: "cachekit_background_loads", factory: factory).record(statistics.backgroundLoads)
        Gauge(label: "cachekit_memory_bytes", factory: factory).record(statistics.memory.bytes)
        Gauge(label: "cachekit_memory_entries", factory: factory).record(statistics.memory.entries)
        if let rows = local.rows { Gauge(label: "cachekit_local_rows", factory: factory).record(rows) }
        if let bytes = local.bytes { Gauge(label: "cachekit_local_bytes", factory: factory).record(bytes) }
        if let verification {
            Gauge(label: "cachekit_unverified_rows", factory: factory).record(verification.unverifiedRows)
            if let last = verification.lastComparison {
                Gauge(label: "cachekit_seconds_since_comparison", factory: factory)
                    .record(last.duration(to: now).wholeMilliseconds / 1000)
            }
        }
        guard let status else { return }
        Gauge(label: "cachekit_sync_pending_changes", factory: factory).record(status.backlog.changes)
        Gauge(label: "cachekit_sync_pending_bytes", factory: factory).record(status.backlog.bytes)
        Gauge(label: "cachekit_sync_lost_buckets", factory: factory).record(status.lostBuckets)
        for (outcome, count) in status.outcomes.byName {
            let growth = count - (lastOutcomes[outcome] ?? 0)
            guard growth > 0 else { continue }
            Counter(label: "cachekit_sync_changes", dimensions: [("outcome", outcome)], factory: factory)
                .increment(by: growth)
            lastOutcomes[outcome] = count
        }
    }

    private static let namespaceCounters:
        [(label: String, dimensions: [(String, String)], path: any KeyPath<NamespaceStatistics, Int> & Sendable)] = [
            ("cachekit_namespace_reads", [("tier", "memory")], \.memoryHits),
            ("cachekit_namespace_reads", [("tier", "local")], \.localHits),
            ("cachekit_namespace_reads", [("tier", "remote")], \.remoteHits),
            ("cachekit_namespace_reads", [("tier", "none")], \.misses),
            ("cachekit_namespace_loads", [("result", "success")], \.loads),
            ("cachekit_namespace_loads", [("result", "failure")], \.loadFailures),
            ("cachekit_namespace_load_milliseconds", [], \.loadMilliseconds),
            ("cachekit_namespace_stale_served", [], \.staleServed),
        ]

    private mutating func export(_ namespaces: [String: NamespaceStatistics], _ factory: any MetricsFactory) {
        for (name, statistics) in namespaces.sorted(by: { $0.key < $1.key }) {
            let former = lastNamespaces.updateValue(statistics, forKey: name) ?? NamespaceStatistics()
            // A name that has its label keeps it.
            let isNamed = named.contains(name) || named.count < Self.maximumNamespaces
            if isNamed { named.insert(name) }
            for (label, dimensions, path) in Self.namespaceCounters {
                let growth = statistics[keyPath: path] - former[keyPath: path]
                guard growth > 0 else { continue }
                Counter(
                    label: label, dimensions: [("namespace", isNamed ? name : "other")] + dimensions, factory: factory
                ).increment(by: growth)
            }
        }
    }
}

extension CacheStatistics {
    fileprivate var loadMilliseconds: Int { Int(clamping: loadTime.wholeMilliseconds) }
}

extension NamespaceStatistics {
    fileprivate var loadMilliseconds: Int { Int(clamping: loadTime.wholeMilliseconds) }
}
