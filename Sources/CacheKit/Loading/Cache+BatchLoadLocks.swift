import CacheKitCore

/// Rings two and three for many keys at once.
extension Cache {
    /// So many locks are asked of the remote at once: one round trip for them, and others' commands go in between.
    private static var lockPipeline: Int { 64 }

    /// Runs `load` for those of some keys whose locks were given, again for those that others have given back since, until
    /// each was found or loaded.
    ///
    /// A call never waits while it holds a lock, so that two calls with keys in common don't wait for each other. What others
    /// load for longer than the policy says is loaded without locks, as with one key. All is given back however `load` ends.
    ///
    /// - Parameters:
    ///   - indices: Which of `keys`; the closures are given some of them.
    ///   - whenFound: Reads the tiers again, in one round trip for each.
    ///   - load: Loads and stores.
    /// - Throws: What `load` and `whenFound` throw, `CancellationError`. Never because of a lock.
    func withLoadLocks<Result: Sendable>(
        for indices: [Int], of keys: [CacheKey], _ policy: LoadingPolicy,
        whenFound: @Sendable ([Int]) async throws -> [Int: Result],
        load: @Sendable ([Int]) async throws -> [Int: Result]
    ) async throws -> [Int: Result] {
        guard policy.isOnePerFile || policy.isOnePerFleet else { return try await load(indices) }
        let end = clock.uptime() + policy.loadElsewhereTimeout
        var results: [Int: Result] = [:]
        var left = indices
        var pause = Self.shortestPause
        var isFirst = true
        while true {
            let isOver = clock.uptime() >= end
            let (found, loaded) = try await holding(left, of: keys, policy) { taken in
                // The last holders may have stored some since the tiers were read. While all are held elsewhere, not yet.
                let found = isFirst && taken.isEmpty ? [:] : try await whenFound(left)
                let due = (isOver ? left : taken).filter { found[$0] == nil }
                if isOver { counters.loadLockTimeouts.count(due.count - Set(taken).intersection(due).count) }
                return (found, due.isEmpty ? [:] : try await load(due), due)
            }
            isFirst = false
            counters.loadsElsewhere.count(found.count)
            results.merge(found) { $1 }
            results.merge(loaded) { $1 }
            left = left.filter { results[$0] == nil }
            guard !left.isEmpty, !isOver else { return results }
            // A half of it at random: those who wait for the same keys do not all ask at once.
            let wait = min(pause * (1 - configuration.jitter() / 2), max(end - clock.uptime(), .zero))
            try await clock.sleep(for: wait)
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private typealias Outcome<Result> = (found: [Int: Result], loaded: [Int: Result], due: [Int])

    /// Takes what locks are free, runs `body` with the indices that it may load, and gives the locks back.
    private func holding<Result: Sendable>(
        _ indices: [Int], of keys: [CacheKey], _ policy: LoadingPolicy,
        _ body: ([Int]) async throws -> Outcome<Result>
    ) async throws -> (found: [Int: Result], loaded: [Int: Result]) {
        let held = indices.map { _ in HeldLoadLocks(lockReturns) }
        return try await withTaskCancellationHandler {
            do {
                let taken = try await takeLocks(of: indices.map { keys[$0] }, policy, held)
                try Task.checkCancellation()
                let outcome = try await body(taken.map { indices[$0] })
                await giveBack(held, onceSeen: outcome.due.isEmpty ? nil : whatPushes(outcome.due.map { keys[$0] }))
                return (outcome.found, outcome.loaded)
            } catch {
                await giveBack(held)
                throw error
            }
        } onCancel: {
            for locks in held { locks.giveBackAtOnce() }
        }
    }

    /// The positions of those keys that may be loaded: their locks were given, or can't be had for now.
    private func takeLocks(
        of keys: [CacheKey], _ policy: LoadingPolicy, _ held: [HeldLoadLocks]
    ) async throws -> [Int] {
        var free = Array(keys.indices)
        if policy.isOnePerFile, let local = local as? any LoadLocking {
            free = free.filter { index in
                if case .held = takeFileLock(of: keys[index], local, held[index]) { false } else { true }
            }
        }
        guard policy.isOnePerFleet, let remote = remote as? any RemoteLocking else { return free }
        var taken: [Int] = []
        var start = 0
        while start < free.count {
            let some = free[start..<min(start + Self.lockPipeline, free.count)]
            start += some.count
            let attempts = try await withThrowingTaskGroup(of: (Int, LockAttempt).self) { group in
                for index in some {
                    group.addTask { (index, try await self.takeRemoteLock(of: keys[index], remote, held[index])) }
                }
                return try await group.reduce(into: [Int: LockAttempt]()) { $0[$1.0] = $1.1 }
            }
            for index in some {
                if case .held? = attempts[index] { await held[index].giveBack() } else { taken.append(index) }
            }
            // A remote that is away is not asked once more for each key.
            if attempts.values.contains(.unavailable) { return taken + free[start...] }
        }
        return taken
    }

    /// Gives all back, those of the remote side by side; once that has returned for which `isSeen` waits.
    private func giveBack(_ held: [HeldLoadLocks], onceSeen isSeen: (@Sendable () async -> Void)? = nil) async {
        let releases = held.compactMap { $0.end() }
        guard !releases.isEmpty else { return }
        @Sendable func releaseAll() async {
            await withTaskGroup(of: Void.self) { group in
                for release in releases { group.addTask { await release() } }
            }
        }
        guard let isSeen else { return await releaseAll() }
        lockReturns.start {
            await isSeen()
            await releaseAll()
        }
    }
}
