import CacheKit
import CacheKitCore
import Synchronization

/// Does what ``ReplayRun`` and ``ReplayBatch`` decide.
extension SyncEngine {
    func replay(
        _ selection: ReplaySelection, _ options: ReplayOptions, progress: @escaping @Sendable (ReplayReport) -> Void
    ) async throws(CacheError) -> ReplayReport {
        try Self.check(selection, options)
        // What waits is the pusher's; to look at it takes no right.
        guard selection.state != .settled, !options.isDryRun else {
            return try await replayAll(selection, options, progress)
        }
        let result = await turn.take { () async -> Result<ReplayReport, CacheError> in
            do throws(CacheError) {
                guard let lease = try await self.local.acquirePusherLease() else { throw Self.leaseHeld }
                defer { lease.release() }
                return .success(try await self.replayAll(selection, options, progress))
            } catch {
                return .failure(error)
            }
        }
        guard let result else { throw CacheError(.cancelled, "the replay was cancelled before it began") }
        return try result.get()
    }

    func unfinishedReplays() async throws(CacheError) -> [ReplayReport] {
        try await local.replayNotes().compactMap { ReplayRun($0)?.report(isResumed: false, isDryRun: false) }
    }

    /// Keys whose values are read from the remote at a time.
    private static let mostInspected = 500

    private static var leaseHeld: CacheError {
        CacheError(
            .leaseHeld,
            "another process pushes this file's changes and sends what is pending; replay settled ones, or stop it first"
        )
    }

    private static func check(_ selection: ReplaySelection, _ options: ReplayOptions) throws(CacheError) {
        guard options.rate ?? 1 >= 1 else { throw CacheError(.invalidArgument, "the rate of a replay is at least 1") }
        if let first = selection.from, let last = selection.through, first > last {
            throw CacheError(.invalidArgument, "the range of a replay ends before it begins; turn it round")
        }
    }

    private func replayAll(
        _ selection: ReplaySelection, _ options: ReplayOptions, _ progress: @Sendable (ReplayReport) -> Void
    ) async throws(CacheError) -> ReplayReport {
        try await survey()
        var (run, isResumed) = try await begin(ReplayTerms(selection, options), options)
        // What is weighed only comes with the remote's values, of which nobody knows how large they are.
        let most = options.isDryRun ? min(configuration.batchChanges, Self.mostInspected) : configuration.batchChanges
        var pace = ReplayPace(rate: options.isDryRun ? nil : options.rate, most: most)
        var bound = BatchBound(pace.batchCount)
        var failure: CacheError?
        var noted = clock.uptime()
        do throws(CacheError) {
            reading: while !run.hasReachedEnd, !Task.isCancelled {
                let changes = try await changes(of: run)
                guard !changes.isEmpty else {
                    run.reachEnd()
                    break
                }
                let watermark = try await local.watermark()
                let now = state.withLock { $0.now(clock) }
                let parts = ReplayPart.parts(of: changes, count: bound.current) { [run] change in
                    run.reasonToSkip(
                        change, policy: policy(of: change.key), isPending: change.entry.sequence > watermark, at: now)
                }
                for part in parts {
                    let wait = pace.take(part.changes.count, at: clock.uptime())
                    if wait > .zero { try? await clock.sleep(for: wait) }
                    if Task.isCancelled { break reading }
                    do throws(CacheError) {
                        run = try await finishing(part, of: run, since: noted, isDryRun: options.isDryRun)
                    } catch {
                        guard error.code == .remoteTimeout, part.changes.count > 1 else { throw error }
                        bound.timedOut(at: part.changes.count)
                        continue reading
                    }
                    noted = clock.uptime()
                    bound.succeeded()
                    progress(run.report(isResumed: isResumed, isDryRun: options.isDryRun))
                }
            }
            if run.hasReachedEnd, !options.isDryRun { try await local.forgetReplay(run.id) }
        } catch {
            failure = error
        }
        return run.report(isResumed: isResumed, isDryRun: options.isDryRun, error: failure)
    }

    /// The replay of these terms that has not ended, or another.
    private func begin(
        _ terms: ReplayTerms, _ options: ReplayOptions
    ) async throws(CacheError) -> (ReplayRun, isResumed: Bool) {
        if !options.isDryRun {
            let open = try await local.replayNotes().compactMap { ReplayRun($0) }.filter { $0.terms == terms }
            if let run = open.last, !options.restarts { return (run, true) }
            for run in open { try await local.forgetReplay(run.id) }
        }
        let watermark = try await local.watermark()
        let last = try await local.lastSequence()
        let run = ReplayRun(
            id: .random(in: 1 ... .max), terms, at: state.withLock { $0.now(clock) }, watermark: watermark,
            lastSequence: last)
        if !options.isDryRun { _ = try await local.keepReplay(try run.note(), replacing: nil) }
        return (run, false)
    }

    private func policy(of key: CacheKey) -> SyncPolicy { state.withLock { $0.machine.policies.policy(for: key) } }

    /// What comes next in the feed, of both sides of the watermark where that is wanted; nothing at the end.
    private func changes(of run: ReplayRun) async throws(CacheError) -> [Change] {
        let (limit, bytes) = (configuration.batchChanges, configuration.batchBytes)
        if run.selection.state != .pending {
            let settled = try await local.settledChanges(
                after: run.position, through: run.last, limit: limit, byteLimit: bytes)
            if run.selection.state == .settled || !settled.isEmpty { return settled }
        }
        let watermark = try await local.watermark()
        let pending = try await local.changes(
            after: max(run.position, watermark), origin: .local, limit: limit, byteLimit: bytes)
        return pending.filter { $0.entry.sequence <= run.last }
    }

    /// Does a part to its end, whoever cancels meanwhile: only then is it known what to count.
    private func finishing(
        _ part: ReplayPart, of run: ReplayRun, since noted: Duration, isDryRun: Bool
    ) async throws(CacheError) -> ReplayRun {
        let task = Task { () async -> Result<ReplayRun, CacheError> in
            do throws(CacheError) {
                return .success(try await self.finish(part, of: run, since: noted, isDryRun: isDryRun))
            } catch {
                return .failure(error)
            }
        }
        return try await task.value.get()
    }

    private func finish(
        _ part: ReplayPart, of run: ReplayRun, since noted: Duration, isDryRun: Bool
    ) async throws(CacheError) -> ReplayRun {
        var counts = part.skipped
        var refusal: CacheError?
        if !part.changes.isEmpty {
            try await survey()
            let batch = try await carry(part.changes, of: run, isDryRun: isDryRun)
            counts.add(batch.counts)
            refusal = batch.refusal
        }
        var next = run
        next.advance(to: part.last, counts, refusal: refusal?.message, took: clock.uptime() - noted)
        if !isDryRun {
            guard try await local.keepReplay(try next.note(), replacing: run.step) else {
                throw CacheError(
                    .leaseHeld, "another process goes on with this replay; let it end, or stop it and begin anew")
            }
        }
        return next
    }

    private func carry(
        _ changes: [Change], of run: ReplayRun, isDryRun: Bool
    ) async throws(CacheError) -> ReplayBatch {
        let sending = try await local.sendingState()
        let terms = ReplayBatch.Terms(
            node: sending.node, watermark: sending.watermark, sentThrough: sending.sentThrough,
            tombstoneLife: configuration.tombstoneLife, policy: run.terms.replayPolicy,
            sendsTooOld: run.terms.sendsTooOld)
        var batch = ReplayBatch(
            changes, terms, now: state.withLock { $0.now(clock) }, bucket: remote.bucket(of:), policy: policy(of:))
        var isAnnounced = isDryRun
        while true {
            let now = state.withLock { $0.now(clock) }
            switch batch.next(at: now) {
            case .restamp where isDryRun: batch.restamped(batch.assumedVersions(at: now))
            case .restamp(let stamps): batch.restamped(try await local.restamp(stamps, at: now))
            case .push(let pushes) where isDryRun:
                batch.forecast(pushes, try await remote.inspect(pushes.flatMap { $0.writes.map(\.key) }))
            case .push(let pushes):
                // Versions are final from here on.
                if !isAnnounced, let last = batch.lastPending, last > sending.sentThrough {
                    try await local.beginSending(through: last, fence: nil)
                }
                isAnnounced = true
                batch.weighed(try await remote.push(pushes))
            case .inspect(let keys):
                batch.inspected(try await remote.inspect(keys), at: now, checking: checkingValue)
            case .resolve(let resolutions):
                batch.resolved(try await local.resolve(resolutions))
                replaced(resolutions.map(\.winner.key))
            case .finished: return batch
            case .failed(let error): throw error
            }
        }
    }
}
