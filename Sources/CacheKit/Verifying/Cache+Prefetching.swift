public import CacheKitCore

/// Taking in what only the remote holds, so that it can be read while the remote is away.
extension Cache {
    /// What follows a key in the name of its lock (protocol section 8). A lock is no value, and opens under no key.
    private static let lockSuffix = ":lock"

    /// Reads the keys of the remote that begin so, as a read of them would, and keeps their values in the local store.
    ///
    /// Ends after the read in flight when its task is cancelled between reads. Memory is bounded by a page of key names and
    /// some 4 MiB of values, one value at least. Linear in everything that the remote holds.
    ///
    /// - Parameters:
    ///   - prefix: How the keys begin; all of them where empty.
    ///   - keysPerSecond: At most so many; `nil` for as fast as it goes.
    ///   - progress: Told after each read what was done so far.
    /// - Returns: What was done; not complete only if the task was cancelled.
    /// - Throws: ``CacheError/Code/invalidConfiguration`` without both tiers; what the stores throw, also where reading would
    ///   go on without the remote.
    @discardableResult
    public func prefetch(
        prefix: String, keysPerSecond: Int? = nil, progress: (Prefetch) -> Void = { _ in }
    ) async throws(CacheError) -> Prefetch {
        try requireValues()
        guard let local, let remote else { throw .notBothTiers() }
        var report = Prefetch()
        var bound = PrefetchBound(keysPerSecond: keysPerSecond)
        let start = clock.uptime()
        var page = try await remote.keys(withPrefix: prefix, after: nil)
        while true {
            var rest = page.keys[...]
            repeat {
                let keys = Array(rest.prefix(bound.count))
                rest = rest.dropFirst(keys.count)
                report.listed += keys.count
                bound.took(try await prefetch(keys, local, remote, &report), of: keys.count)
                report.isComplete = rest.isEmpty && page.next == nil
                progress(report)
                if report.isComplete { return report }
                if let keysPerSecond { await pause(after: report.listed, keysPerSecond, since: start) }
                if Task.isCancelled { return report }
            } while !rest.isEmpty
            page = try await remote.keys(withPrefix: prefix, after: page.next)
        }
    }

    /// Says of how many bytes the values are.
    private func prefetch(
        _ keys: [CacheKey], _ local: any LocalStore, _ remote: any RemoteStore, _ report: inout Prefetch
    ) async throws(CacheError) -> Int {
        guard !keys.isEmpty else { return 0 }
        do {
            let (bytes, pulled) = try await take(keys, local, remote)
            report.pulled += pulled
            return bytes
        } catch  where error.isOfOneValue {
            // One value that does not open must not keep the others from being taken in.
            var total = 0
            for key in keys {
                do {
                    let (bytes, pulled) = try await take([key], local, remote)
                    report.pulled += pulled
                    total += bytes
                } catch  where error.isOfOneValue {
                    if !key.string.hasSuffix(Self.lockSuffix) { report.unopened += 1 }
                }
            }
            return total
        }
    }

    private func take(
        _ keys: [CacheKey], _ local: any LocalStore, _ remote: any RemoteStore
    ) async throws(CacheError) -> (bytes: Int, pulled: Int) {
        let now = clock.now()
        let hashes = keys.map(Hash128.init)
        let tickets = hashes.map { memory.shard($0).ticket($0) }
        var bytes = 0
        var questions: [RemoteQuestion] = []
        for (index, answer) in try await readLocal(keys, tickets).enumerated() {
            switch answer {
            case .found(let entry): bytes += entry.byteCount
            case .absent: break
            case .askRemote(let row):
                questions.append(
                    RemoteQuestion(
                        index: index, key: keys[index], hash: hashes[index], ticket: tickets[index], row: row))
            }
        }
        guard !questions.isEmpty else { return (bytes, 0) }
        var pulled = 0
        for (question, entry) in zip(questions, try await check(questions, local, remote, now).entries) {
            guard let entry, !entry.isNegative else { continue }
            bytes += entry.byteCount
            let row = question.row?.entry
            if row?.isLive(at: now) != true || row?.isNegative == true { pulled += 1 }
        }
        return (bytes, pulled)
    }
}

extension CacheError {
    /// Whether this says that one value does not open.
    fileprivate var isOfOneValue: Bool { code == .authenticationFailed || code == .invalidEnvelope }
}
