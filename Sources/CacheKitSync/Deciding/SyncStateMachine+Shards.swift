import CacheKit
import CacheKitCore

/// Which shards answer, and what waits for those that do not.
extension SyncStateMachine {
    /// Which shard a bucket lies in.
    func shard(of bucket: Int) -> Int { shard?(bucket) ?? 0 }

    /// Whether the shard of a bucket is not to be asked.
    func isPaused(_ bucket: Int) -> Bool { shard != nil && heldBack.isPaused(shard(of: bucket), at: uptime) }

    /// Buckets whose marks are to be compared before anything is sent.
    var comparing: [Int] {
        (needsMarks ? Array(ledger.expected.keys) : Array(uncompared)).filter { !isPaused($0) }.sorted()
    }

    /// Whether the remote has to be asked before anything else.
    var needsContact: Bool { needsMarks || uncompared.contains { !isPaused($0) } }

    /// Marks found when they were compared.
    ///
    /// - Returns: why nothing can be sent.
    mutating func compared(
        _ found: [(bucket: Int, mark: Result<UInt64?, CacheError>)], fraction: Double
    ) -> CacheError? {
        if needsMarks { uncompared.formUnion(ledger.expected.keys) }
        var away: [Int: CacheError] = [:]
        for case (let bucket, .failure(let error)) in found { away[bucket] = error }
        let answered = Set(found.lazy.map(\.bucket)).subtracting(away.keys)
        if let error = note(answered: answered, away: away, fraction: fraction) { return error }
        needsMarks = false
        for case (let bucket, .success(let mark)) in found {
            uncompared.remove(bucket)
            weigh(mark, bucket: bucket)
        }
        return nil
    }

    /// Which buckets answered, and which did not.
    ///
    /// - Returns: the failure, where it is not one of some shards alone.
    mutating func note(answered: Set<Int>, away: [Int: CacheError], fraction: Double) -> CacheError? {
        let any = away.min { $0.key < $1.key }?.value
        guard shard != nil, away.values.allSatisfy(\.concernsOneShard) else { return any }
        let errors = Dictionary(away.map { (shard(of: $0.key), $0.value) }) { first, _ in first }
        for shard in Set(answered.map { shard(of: $0) }).subtracting(errors.keys) { cameBack(shard) }
        if any == nil { return nil }
        guard heldBack.isolates(Set(errors.keys)) else { return any }
        for (shard, error) in errors {
            heldBack.failed(shard, error, at: uptime, fraction: fraction)
            lastError = error
        }
        return nil
    }

    private mutating func cameBack(_ shard: Int) {
        guard heldBack.answered(shard) else { return }
        // Whatever it was, it may have lost something.
        uncompared.formUnion(ledger.expected.keys.filter { self.shard(of: $0) == shard })
    }

    /// What stands under changes that were held back: a delivery of those that still do.
    mutating func reread(
        _ keys: [CacheKey], _ entries: [StoredEntry?], now: Timestamp, bucket: (CacheKey) -> Int
    ) -> Delivery? {
        var changes: [Change] = []
        for (key, entry) in zip(keys, entries) {
            guard let place = heldBack.changes[key] else { continue }
            if let entry, entry.sequence == place.sequence, entry.origin == .local {
                changes.append(Change(key: key, entry: entry))
            } else {
                // What was written since stands later in the feed, and the store has counted this one.
                heldBack.release(key)
            }
        }
        guard !changes.isEmpty else {
            isRetrying = false
            return nil
        }
        var terms = terms(isResend: false)
        terms.wereHeldBack = true
        return Delivery(changes, terms, refusals, now: now, bucket: bucket, policy: policies.policy(for:))
    }
}
