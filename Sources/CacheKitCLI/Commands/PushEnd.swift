import CacheKit

/// How far pushing came, and the exit code that says so.
struct PushEnd: Sendable {
    let status: SyncStatus
    /// All that the file holds, not only those of this push: they stay until somebody looks at them.
    let deadLetters: Int
    /// Likewise.
    let parked: Int
    /// Those of them that nobody here had a key for.
    let needingKey: Int

    /// Asks the cache after a push.
    init(_ status: SyncStatus, of cache: Cache) async throws(CacheError) {
        self.status = status
        let statistics = try await cache.localStatistics()
        deadLetters = statistics?.deadLetters ?? 0
        parked = statistics?.parked ?? 0
        needingKey = parked == 0 ? 0 : try await Self.countNeedingKey(cache.review)
    }

    private static func countNeedingKey(_ review: any ChangeReviewing) async throws(CacheError) -> Int {
        var count = 0
        var cursor: ChangeSequence? = .zero
        while let after = cursor {
            let page = try await review.changesSetAside(.parked, after: after, limit: 500)
            count += page.elements.count { $0.reason == .parked(.needsKey) }
            cursor = page.next
        }
        return count
    }

    /// Throws what is not in order; the reason why changes still wait comes before what was given up on.
    func check() throws {
        let waiting = status.backlog.changes
        if status.activity == .standby {
            throw CacheError(
                .leaseHeld, "another process pushes this file's changes; see it with: cachekit sync status")
        }
        if waiting > 0, let error = status.lastError { throw error }
        if deadLetters > 0 {
            StandardError.write(
                "cachekit: Redis refused \(deadLetters) changes, which are kept as dead letters; see: cachekit sync dead-letters list"
            )
            throw ExitStatus.deadLettersLeft
        }
        if needingKey > 0 {
            StandardError.write(
                "cachekit: \(needingKey) changes have plain values, which a relay key does not open; they are set aside in the file; with the master key: cachekit sync parked send --all"
            )
        }
        if parked > needingKey {
            StandardError.write(
                "cachekit: \(parked - needingKey) changes are too old to tell whether their keys were deleted since; they are set aside in the file; see: cachekit sync parked list"
            )
        }
        if parked > 0 { throw ExitStatus.deadLettersLeft }
        if waiting > 0 {
            StandardError.write(
                "cachekit: \(waiting) changes still wait in the file; send them with: cachekit sync push")
            throw ExitStatus.partial
        }
        if status.outcomes.lost > 0 {
            StandardError.write(
                "cachekit: \(status.outcomes.lost) changes lost against what Redis held, which the file has now; the losers are kept in it; see: cachekit sync conflicts list"
            )
            throw ExitStatus.conflictsLeft
        }
    }
}
