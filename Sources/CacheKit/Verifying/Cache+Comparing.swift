public import CacheKitCore

/// Saying what the remote has of the rows held here, without changing anything on either side.
extension Cache {
    private static let rowsPerOpening = 256

    /// Compares the rows with the remote by version and last bytes, from a place on, `nil` for the beginning.
    ///
    /// Two small commands to the remote for each row, fewer where keys share a bucket; linear in the rows held here.
    ///
    /// - Parameters:
    ///   - prefix: Only keys that begin so; all where empty.
    ///   - opening: Which share of the remote's values is read whole, opened and compared, 0 to 1.
    ///   - rowsPerSecond: At most so many; `nil` for as fast as it goes.
    ///   - progress: Told after each page what was found so far.
    /// - Returns: What was found; ``RemoteComparison/next`` is not `nil` only if the task was cancelled.
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without both tiers; ``CacheError/Code/missingMasterKey``
    ///   where a relay key is to open values; what the stores throw.
    public func compareWithRemote(
        from cursor: RowCursor? = nil, prefix: String = "", opening share: Double = 0, rowsPerSecond: Int? = nil,
        progress: (RemoteComparison) -> Void = { _ in }
    ) async throws(CacheError) -> RemoteComparison {
        try lifecycle.requireOpen()
        // What differs is told without a key; whether it opens is not.
        if share > 0 { try sealer.requireKey() }
        guard let local, let remote else { throw .notBothTiers() }
        var report = RemoteComparison()
        let start = clock.uptime()
        let limit = Self.rowsPerPage(atMost: rowsPerSecond)
        var page = try await local.heldRows(after: cursor, limit: limit)
        while true {
            // The next rows are read while the remote is asked about these.
            let cursor = page.next
            async let following = Self.page(after: cursor, of: local, limit: limit)
            try await compare(page, prefix, share, remote, &report)
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
        return report
    }

    private func compare(
        _ page: HeldRows, _ prefix: String, _ share: Double, _ remote: any RemoteStore,
        _ report: inout RemoteComparison
    ) async throws(CacheError) {
        report.examined += page.rowCount
        report.pending += page.pending
        report.setAside += page.setAside
        report.unreadable += page.unreadable
        let now = clock.now()
        // Beside each other in a bucket, keys cost the remote least.
        // Places are sorted, because rows are large.
        var places: [(bucket: Int, index: Int)] = []
        places.reserveCapacity(page.rows.count)
        for (index, row) in page.rows.enumerated() where row.isTombstone || row.staleAt > now {
            // Of a negative result the remote knows nothing.
            guard !row.isNegative else { continue }
            guard prefix.isEmpty || row.key.string.hasPrefix(prefix) else { continue }
            places.append((remote.bucket(of: row.key), index))
        }
        places.sort { $0.bucket < $1.bucket }
        let rows = places.lazy.map { page.rows[$0.index] }
        let toOpen = share <= 0 ? [] : rows.filter { _ in share >= 1 || configuration.jitter() < share }
        // Only the whole of a plain value tells whether it is the same.
        let plain = share >= 1 ? [] : rows.filter { !$0.isSealed && !$0.isTombstone }
        var toTrace = share >= 1 ? [] : places.map(\.index)
        if !plain.isEmpty { toTrace.removeAll { !page.rows[$0].isSealed && !page.rows[$0].isTombstone } }
        let traces = toTrace.isEmpty ? [] : try await remote.trace(toTrace.map { page.rows[$0].key })
        for (index, trace) in zip(toTrace, traces) {
            let row = page.rows[index]
            let isSame = trace.tail != nil && trace.tail == row.fingerprint
            report.count(row, isSameValue: isSame, hasValue: trace.hasValue, trace.record)
        }
        try await inspect(plain, remote, isCounted: true, opens: false, &report)
        try await inspect(toOpen, remote, isCounted: share >= 1, opens: true, &report)
    }

    private func inspect(
        _ rows: [HeldRow], _ remote: any RemoteStore, isCounted: Bool, opens: Bool, _ report: inout RemoteComparison
    ) async throws(CacheError) {
        var start = rows.startIndex
        while start < rows.endIndex {
            let end = min(start + Self.rowsPerOpening, rows.endIndex)
            let part = rows[start..<end]
            start = end
            for (row, view) in zip(part, try await remote.inspect(part.map(\.key))) {
                let isSame = view.entry.map { row.fingerprint.isOf($0.value) } ?? false
                if isCounted { report.count(row, isSameValue: isSame, hasValue: view.entry != nil, view.record) }
                guard opens, let entry = view.entry else { continue }
                do {
                    let mode = registry.policy(for: row.key).mode
                    let form = try sealer.recognise(entry.value, key: row.key, mode: mode)
                    let opened = MemoryEntry(
                        bytes: entry.value, form: form, mode: mode, expiresAt: row.staleAt, staleAt: row.staleAt,
                        writtenAt: row.version.writtenAt, sequence: row.sequence)
                    _ = try sealer.document(of: opened, key: row.key)
                    report.opened += 1
                } catch {
                    report.unopened += 1
                }
            }
        }
    }

    /// With a rate a quarter of a second's worth, so that they come evenly and stopping takes no longer.
    static func rowsPerPage(atMost rate: Int?) -> Int { rate.map { max(1, min(4_096, $0 / 4)) } ?? 4_096 }

    /// The rows after a place; `nil` after the last one.
    static func page(
        after cursor: RowCursor?, of local: any LocalStore, limit: Int
    ) async throws(CacheError) -> HeldRows? {
        guard let cursor else { return nil }
        return try await local.heldRows(after: cursor, limit: limit)
    }

    /// Waits until so many rows are not too many for the time since `start`; less if the task is cancelled.
    func pause(after count: Int, _ rate: Int, since start: Duration) async {
        let wait = start + .seconds(Double(count) / Double(rate)) - clock.uptime()
        if wait > .zero { try? await clock.sleep(for: wait) }
    }
}

extension HeldRows {
    /// All rows that the page is of.
    var rowCount: Int { rows.count + pending + setAside + unreadable }
}

extension CacheError {
    static func notBothTiers() -> CacheError {
        CacheError(.invalidConfiguration, "this cache has not both a file and a remote to compare; give it both")
    }
}
