public import CacheKitCore
import Logging
import Synchronization

/// Comparing all rows of the local store with the remote, so that none has to wait for its next read.
///
/// The rows of this node are walked, not the remote's keys: those may be many more, and what is not held here is not pulled. What
/// of a row is asked for is its last 16 bytes and its life; only what differs is read.
extension Cache {
    private static let bytesPerPull = 4 << 20
    private static let rowsPerPull = 256

    /// Compares the rows with the remote and takes in what is newer there, from a place on, `nil` for the beginning.
    ///
    /// It can stop anywhere and loses nothing. Pending changes stay as they are. Memory is bounded by a page of rows without their
    /// values, and 4 MiB of values. Linear in the rows held here, two small commands to the remote for each.
    ///
    /// - Parameters:
    ///   - prefix: Only keys that begin so; all where empty.
    ///   - rowsPerSecond: At most so many; `nil` for as fast as it goes.
    ///   - progress: Told after each page what was done so far.
    /// - Returns: What was found; ``Reconciliation/next`` is not `nil` only if the task was cancelled.
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without both tiers; what the local store throws, and
    ///   what says that the remote can't be asked.
    @discardableResult
    public func reconcile(
        from cursor: RowCursor? = nil, prefix: String = "", rowsPerSecond: Int? = nil,
        progress: (Reconciliation) -> Void = { _ in }
    ) async throws(CacheError) -> Reconciliation {
        try requireValues()
        guard let local, let remote else { throw .notBothTiers() }
        if let gap = unverified.openGap { unverified.close(gap, through: try await local.lastSequence()) }
        let began = unverified.moment
        let start = clock.uptime()
        var report = Reconciliation()
        let limit = Self.rowsPerPage(atMost: rowsPerSecond)
        var page = try await local.heldRows(after: cursor, limit: limit)
        while true {
            // The next rows are read while the remote is asked about these.
            let cursor = page.next
            async let following = Self.page(after: cursor, of: local, limit: limit)
            try await compare(page, prefix, local, remote, &report)
            report.examined += page.rowCount
            report.pending += page.pending
            report.setAside += page.setAside
            report.unreadable += page.unreadable
            report.next = page.next
            progress(report)
            do {
                guard let next = try await following else { break }
                page = next
            } catch {
                throw CacheError(wrapping: error)
            }
            if let rowsPerSecond { await pause(after: report.compared, rowsPerSecond, since: start) }
            if Task.isCancelled { return report }
        }
        if cursor == nil, prefix.isEmpty {
            // A change that the remote turns out to have had may have been replaced there since, and nobody tells.
            if report.pending == 0 { unverified.compared(since: began) }
            lastReconciledAt.withLock { $0 = clock.now() }
        }
        return report
    }

    /// Makes sure of whether the remote has lost something, so that comparing after that decides about rows that it knows nothing of.
    /// A cache that is running does so by itself.
    public func compareMarks() async throws(CacheError) { try await synchronizer?.compareMarks() }

    private func compare(
        _ page: HeldRows, _ prefix: String, _ local: any LocalStore, _ remote: any RemoteStore,
        _ report: inout Reconciliation
    ) async throws(CacheError) {
        let now = clock.now()
        let asked = unverified.moment
        // Usually none is, and the rows' hashes are not needed.
        let isAnyMarked = unverified.extent.marked > 0
        // Deletes are asked for when they are read, whatever is known of them. Values whose life is over are compared: by a
        // clock that is put right later it is not.
        var sealed: [Int] = []
        var unsure: [HeldRow] = []
        sealed.reserveCapacity(page.rows.count)
        for (index, row) in page.rows.enumerated() where !row.isTombstone {
            guard prefix.isEmpty || row.key.string.hasPrefix(prefix), synchronizer?.writesAlone(row.key) != true else {
                continue
            }
            if row.isSealed { sealed.append(index) } else { unsure.append(row) }
        }
        report.compared += sealed.count + unsure.count
        var standing: [Hash128] = []
        let glances = sealed.isEmpty ? [] : try await remote.glance(sealed.map { page.rows[$0].key })
        for (index, glance) in zip(sealed, glances) {
            let row = page.rows[index]
            let end = glance.remaining.map { now.advanced(by: $0) }
            if glance.tail == row.fingerprint, end.map({ $0 > row.staleAt.advanced(by: .seconds(-1)) }) ?? true {
                report.unchanged += 1
                if isAnyMarked { standing.append(Hash128(row.key)) }
            } else {
                unsure.append(row)
            }
        }
        unverified.stand(standing, asked: asked)
        try await pull(unsure, local, remote, &report)
    }

    /// Looks closer at rows that differ, or can't be told by their last bytes.
    private func pull(
        _ rows: [HeldRow], _ local: any LocalStore, _ remote: any RemoteStore, _ report: inout Reconciliation
    ) async throws(CacheError) {
        var start = rows.startIndex
        while start < rows.endIndex {
            var end = start
            var bytes = 0
            while end < rows.endIndex, end - start < Self.rowsPerPull, bytes <= Self.bytesPerPull {
                bytes += rows[end].byteCount
                end += 1
            }
            let keys = rows[start..<end].map(\.key)
            start = end
            do {
                try await pull(keys, local, remote, &report)
            } catch  where !error.isRemoteAway && !error.isRefusal {
                // One value that does not open must not keep the others from being pulled.
                for key in keys {
                    do {
                        try await pull([key], local, remote, &report)
                    } catch  where error.code == .authenticationFailed || error.code == .invalidEnvelope {
                        unverified.doubt(Hash128(key), asked: unverified.moment)
                        report.unopened += 1
                    }
                }
            }
        }
    }

    private func pull(
        _ keys: [CacheKey], _ local: any LocalStore, _ remote: any RemoteStore, _ report: inout Reconciliation
    ) async throws(CacheError) {
        let now = clock.now()
        let hashes = keys.map(Hash128.init)
        let tickets = hashes.map { memory.shard($0).ticket($0) }
        let entries = try await local.read(keys)
        var questions: [RemoteQuestion] = []
        for (index, entry) in entries.enumerated() {
            // Gone since the page was read, or over.
            guard let entry, entry.isLive(at: now) else {
                if entry != nil { unverified.doubt(hashes[index], asked: unverified.moment) }
                continue
            }
            questions.append(
                RemoteQuestion(
                    index: index, key: keys[index], hash: hashes[index], ticket: tickets[index],
                    row: RemoteQuestion.Row(entry: entry, isKnownGone: false)))
        }
        guard !questions.isEmpty else { return }
        for finding in try await check(questions, local, remote, now).findings { report.count(finding) }
    }

    /// Compares by itself, when ``ReconcileSchedule`` says so, going on where it was when the remote went away.
    func reconcileInBackground() async {
        var schedule = ReconcileSchedule(configuration.reconciling)
        var cursor: RowCursor?
        var isFailing = false
        while !Task.isCancelled, !lifecycle.isShutDown {
            var isHearing = false
            if case .active = remote?.following { isHearing = true }
            let isDue = schedule.isDue(
                isHearing: isHearing, gaps: counters.gaps.value, overflows: unverified.overflows,
                uptime: clock.uptime(), fraction: configuration.jitter())
            if isDue, isHearing {
                do throws(CacheError) {
                    let report = try await reconcile(
                        from: cursor, rowsPerSecond: configuration.reconciling.rowsPerSecond,
                        progress: { cursor = $0.next })
                    if report.next == nil {
                        cursor = nil
                        schedule.done(uptime: clock.uptime(), isComplete: report.pending == 0)
                        noteReconciled(report)
                    }
                    isFailing = false
                } catch {
                    if !isFailing, error.code != .shutdown, error.code != .cancelled, !error.isRemoteAway {
                        configuration.logger.error(
                            "comparing rows with the remote fails and is tried again", metadata: ["error": "\(error)"])
                    }
                    isFailing = true
                }
            }
            do { try await clock.sleep(for: .seconds(1)) } catch { return }
        }
    }

    private func noteReconciled(_ report: Reconciliation) {
        guard report.pulled + report.dropped + report.unopened > 0 else { return }
        configuration.logger.info(
            "rows were compared with the remote",
            metadata: [
                "compared": "\(report.compared)", "pulled": "\(report.pulled)", "dropped": "\(report.dropped)",
                "unopened": "\(report.unopened)",
            ])
    }
}
