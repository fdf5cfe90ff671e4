import CacheKitCore
import Logging
import Synchronization

/// Background work: pushing, sweeping, and hearing of the changes of other processes and other nodes.
extension Cache {
    /// Does all background work until the task is cancelled or the cache is shut down.
    ///
    /// Fits `Service` of swift-service-lifecycle. Cancelling leaves what is pending in the file; ``shutdown(deadline:)``
    /// drains it first.
    public func run() async {
        lifecycle.beginRun()
        defer { lifecycle.endRun() }
        await withTaskGroup(of: Void.self) { group in
            if let synchronizer { group.addTask { await synchronizer.run() } }
            if let local {
                group.addTask { await self.maintain(local) }
                group.addTask { await self.followForeignCommits(local) }
                if sealer.hasOlderKeys { group.addTask { await self.resealInBackground() } }
            }
            if let remote { group.addTask { await remote.follow { self.take($0) } } }
            if local != nil || remote != nil, !sealer.isRelay {
                group.addTask { await self.confirmRemovalsInBackground() }
            }
            if local != nil, remote != nil, !sealer.isRelay { group.addTask { await self.reconcileInBackground() } }
            group.addTask { await self.exportMetrics() }
            await lifecycle.waitUntilClosed()
            group.cancelAll()
        }
    }

    /// Runs the cache while `body` runs, then drains and closes it, also where the task was cancelled.
    ///
    /// - Parameter deadline: How long draining may take; what is pending after it stays in the file.
    /// - Throws: What `body` throws.
    public func running<Result>(
        drain deadline: Duration = .seconds(10), _ body: () async throws -> Result
    ) async throws -> Result {
        // Before the child task starts, so that a write in between does not warn.
        lifecycle.beginRun()
        defer { lifecycle.endRun() }
        // Cancelled and awaited when this scope ends.
        async let _ = run()
        // In a task of its own: where this one was cancelled, nothing would be drained.
        let shutdown = { await Task { await self.shutdown(deadline: deadline) }.value }
        do {
            let result = try await body()
            await shutdown()
            return result
        } catch {
            await shutdown()
            throw error
        }
    }

    /// Ends loads in the background and pushes what is pending, for at most `deadline` in all, then closes every tier; again only waits
    /// for that.
    ///
    /// Loads get half of the time; what is pending after the rest stays in the file. Calls made afterwards throw
    /// ``CacheError/Code/shutdown``.
    public func shutdown(deadline: Duration = .seconds(10)) async {
        let end = clock.uptime() + deadline
        // Loads in the background end while what they load can still be stored.
        await background.close(deadline: deadline / 2, clock: clock)
        guard lifecycle.shutDown() else { return await lifecycle.waitUntilClosed() }
        defer { lifecycle.close() }
        if let synchronizer {
            let status = await synchronizer.drain(deadline: max(.zero, end - clock.uptime()))
            exporter.withLock { $0.export(statistics(), status: status) }
            if status.backlog.changes > 0 {
                configuration.logger.notice(
                    "changes stay in the file until the next run", metadata: ["pending": "\(status.backlog.changes)"])
            }
        }
        await lockReturns.finish()
        await remote?.close()
        await local?.close()
        memory.close()
        changeHub.finish()
    }

    /// What is waiting for the remote, whether it moves, what failed; `nil` without a synchronizer.
    public func syncStatus() async throws(CacheError) -> SyncStatus? {
        try await synchronizer?.status()
    }

    /// Pushes what is pending for at most `deadline`, without shutting down; `nil` without a synchronizer.
    ///
    /// - Parameter retrying: Whether to try again after a failure that may pass by itself. Without, the first failure ends
    ///   the push, for callers who would rather know than wait; what is pending stays in the file either way.
    public func push(deadline: Duration, retrying: Bool = true) async -> SyncStatus? {
        await synchronizer?.drain(deadline: deadline, retrying: retrying)
    }

    private func maintain(_ local: any LocalStore) async {
        await every(configuration.maintenanceInterval, "maintenance of the local store") {
            () async throws(CacheError) in
            while try await local.maintain(), !Task.isCancelled, !self.lifecycle.isShutDown { await Task.yield() }
        }
    }

    /// Drops from memory what another process has changed in the file.
    private func followForeignCommits(_ local: any LocalStore) async {
        // The store says it once. What it said before this run, or before a failure, still has to be caught up with.
        var isBehind = true
        await every(configuration.coherenceInterval, "following the local store") { () async throws(CacheError) in
            do throws(CacheError) {
                if try await local.hasForeignCommits() { isBehind = true }
                while isBehind, !Task.isCancelled { isBehind = try await self.followOnce(local) }
            } catch {
                // While the file can't say what changed in it, anything that memory holds may be old.
                if [.damagedStore, .tamperedStore].contains(error.code) { self.lostSight() }
                throw error
            }
        }
    }

    /// Takes in one batch of the feed; `false` when nothing is left.
    private func followOnce(_ local: any LocalStore) async throws(CacheError) -> Bool {
        let seen = lifecycle.seen.withLock { $0 }
        let changed = try await local.changedKeys(after: seen, limit: 512)
        if changed.unreadable > 0 {
            // Which keys they belong to can't be told, so none is trusted. Those whose rows are intact come back.
            lostSight()
            configuration.logger.error(
                "changed rows of the local store do not authenticate, so memory was emptied; run 'cachekit doctor'",
                metadata: ["rows": "\(changed.unreadable)"])
        }
        for element in changed.keys {
            let hash = Hash128(element.key)
            memory.shard(hash).invalidate(hash, below: element.sequence)
        }
        registry.doubtRemovals(changed.keys.lazy.map(\.key))
        changeHub.changedInFile(changed)
        lifecycle.seen.withLock { $0 = max($0, changed.through) }
        return changed.through > seen
    }

    /// What changed in the file can't be told.
    private func lostSight() {
        memory.removeAll()
        registry.doubtAllRemovals()
        changeHub.everything()
    }

    /// Drops what others have changed in the remote.
    private func take(_ invalidation: RemoteInvalidation) {
        switch invalidation {
        case .keys(let keys):
            let hashes = keys.map(Hash128.init)
            if local != nil {
                // First the rows: a read that finds memory empty must not refill it from a row that is out of date.
                unverified.changed(hashes)
                for hash in hashes { memory.shard(hash).remove(hash) }
            } else {
                let now = clock.now()
                for hash in hashes { memory.shard(hash).hear(of: hash, at: now) }
            }
            registry.doubtRemovals(keys)
            changeHub.changedElsewhere(keys)
            counters.invalidatedKeys.count(keys.count)
        case .everything:
            if local != nil { unverified.everything() }
            memory.unverifyAll()
            registry.doubtAllRemovals()
            changeHub.everything()
            counters.gaps.count()
            synchronizer?.suspectLoss()
        }
    }

    private func exportMetrics() async {
        var size = LocalSize()
        while !Task.isCancelled, !lifecycle.isShutDown {
            let status = try? await synchronizer?.status()
            let verification = await verification()
            if let local { await size.measure(local, clock) }
            exporter.withLock {
                $0.export(
                    statistics(), status: status, verification, breaker: remote?.breaker, local: size,
                    now: clock.now())
            }
            do { try await clock.sleep(for: .seconds(10)) } catch { break }
        }
        exporter.withLock { $0.export(statistics(), status: nil) }
    }

    /// Repeats a step until cancelled or shut down. A failure is logged when it begins, not at every step of an outage.
    private func every(_ interval: Duration, _ name: String, _ step: () async throws(CacheError) -> Void) async {
        var failing = false
        while !Task.isCancelled, !lifecycle.isShutDown {
            do {
                try await step()
                failing = false
            } catch {
                if !failing, error.code != .shutdown {
                    configuration.logger.error("\(name) fails and is tried again", metadata: ["error": "\(error)"])
                }
                failing = true
            }
            do { try await clock.sleep(for: interval) } catch { return }
        }
    }
}
