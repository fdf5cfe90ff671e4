import CacheKitCore
import Logging
import Synchronization

/// The loader of a call threw, or took too long: told apart from what the tiers throw.
struct LoaderFailure: Error {
    let error: any Error
}

extension Error {
    /// What a caller of a load is given: the loader's own error, and a cancellation as such, whoever noticed it.
    var ofLoad: any Error {
        if let failure = self as? LoaderFailure { return failure.error }
        if let error = self as? CacheError, error.code == .cancelled, Task.isCancelled { return CancellationError() }
        return self
    }
}

/// One call that takes a value from the tiers, or from its loader.
struct Load<Value: Sendable>: Sendable {
    typealias Loader = @Sendable () async throws -> Loaded<Value>

    /// What a tier or a loader says.
    enum Answer: Sendable {
        case value(Lookup<Value>)
        /// There is no such value.
        case absent(from: EntrySource)

        /// The tier that answered, as reads are counted; `nil` for a miss, which what is stale is, too.
        var tier: EntrySource? {
            switch self {
            case .value(let lookup): lookup.isStale || lookup.source == .loader ? nil : lookup.source
            case .absent(let source): source == .loader ? nil : source
            }
        }
    }

    let namespace: Namespace<Value>
    let key: CacheKey
    let policy: NamespacePolicy
    /// Whether "there is no such value" is an answer to the caller.
    let acceptsAbsence: Bool
    let loader: Loader

    var cache: Cache { namespace.cache }
    var hash: Hash128 { Hash128(key) }
    var loading: LoadingPolicy { policy.loading }
    /// What pauses and loads in the background are named by.
    var name: LoadKey {
        LoadKey(hash: hash, type: ObjectIdentifier(Value.self), generation: cache.removalGeneration(of: key))
    }
    /// The load that a caller who watches the key's mark may join.
    var flight: LoadKey {
        var flight = name
        flight.writeMark = cache.writeMarks.mark(of: hash)
        return flight
    }

    /// - Throws: What the loader throws, `CancellationError`, or ``CacheError``.
    func result() async throws -> Lookup<Value>? {
        do {
            let answer = try await answer()
            namespace.counters.read(hash, from: answer.tier)
            switch answer {
            case .value(let lookup): return lookup
            case .absent: return nil
            }
        } catch {
            namespace.counters.read(hash, from: nil)
            throw error.ofLoad
        }
    }

    private func answer() async throws -> Answer {
        if let entry = cache.memory.entry(hash, now: cache.clock.now()), let found = try await usable(entry, .memory) {
            if freshness(of: entry) == .dueForRefresh { refreshInBackground() }
            return found
        }
        // What is due for a refresh below memory is an answer, too.
        guard loading.servesOld else { return try await joined() }
        return try await answerOrStale()
    }

    // MARK: Stale values

    private func answerOrStale() async throws -> Answer {
        // Else a lower tier is asked first, which may have a newer one, or know that it was deleted.
        var stale = try await staleInMemory(isSure: cache.remote != nil)
        if stale == nil {
            let (found, refusal) = try await foundBelowMemory()
            if let found { return found }
            stale = try await staleInMemory(isSure: false)
            if stale == nil { stale = try await staleInStore() }
            if stale == nil, let refusal { throw refusal }
        }
        guard let stale else { return try await joined(isChecked: true) }
        if stale.freshness == .stale {
            refreshInBackground()
            return served(stale.lookup)
        }
        // The last load failed a moment ago: everyone trying again would only wait for the same.
        if cache.background.isPaused(name, at: cache.clock.uptime()) { return served(stale.lookup) }
        do {
            return try await joinedInTime() ?? served(stale.lookup)
        } catch let failure as LoaderFailure {
            if Task.isCancelled { throw failure }
            return served(stale.lookup)
        } catch let error as CacheError where error.isRefusal {
            return served(stale.lookup)
        }
    }

    /// What the tiers below memory have, or that the remote refuses to say: then an old value may be served.
    private func foundBelowMemory() async throws(CacheError) -> (Answer?, refusal: CacheError?) {
        do {
            guard let (entry, source) = try await cache.entryBelowMemory(key, hash),
                let found = try await usable(entry, source)
            else { return (nil, nil) }
            if freshness(of: entry) == .dueForRefresh { refreshInBackground() }
            return (found, nil)
        } catch {
            guard error.isRefusal else { throw error }
            return (nil, error)
        }
    }

    private func served(_ stale: Lookup<Value>) -> Answer {
        cache.counters.staleServed.count()
        namespace.counters.servedStale(hash)
        return .value(stale)
    }

    private typealias Stale = (lookup: Lookup<Value>, freshness: Freshness)

    private func staleInMemory(isSure: Bool) async throws(CacheError) -> Stale? {
        let found = cache.memory.shard(hash).staleEntry(hash, now: cache.clock.now(), isSure: isSure)
        guard let entry = found else { return nil }
        return try await stale(entry, .memory)
    }

    private func staleInStore() async throws(CacheError) -> Stale? {
        guard let entry = try await cache.staleEntries([key])[0] else { return nil }
        return try await stale(entry, .local)
    }

    private func stale(_ entry: MemoryEntry, _ source: Lookup<Value>.Source) async throws(CacheError) -> Stale? {
        let freshness = freshness(of: entry)
        guard freshness == .stale || freshness == .lastResort,
            case .value(let lookup)? = try await usable(entry, source)
        else { return nil }
        return (lookup, freshness)
    }

    /// A load, for as long as callers with a stale value wait; `nil` once that is over, and the load goes on.
    private func joinedInTime() async throws -> Answer? {
        guard let limit = loading.softDeadline else { return try await joined() }
        // Waits as well, so that the load goes on when this caller has left; without room for that it ends with its callers.
        refreshInBackground()
        return try await within(limit, of: cache.clock, cache.configuration.sharedWorkExecutor) {
            try await self.joined()
        }
    }

    private func refreshInBackground() {
        guard !cache.background.isPaused(name, at: cache.clock.uptime()) else { return }
        cache.background.start(name) { _ = try? await joined() }
    }

    // MARK: One load at a time

    /// The answer of the load that runs, or of one that is started.
    ///
    /// - Parameter isChecked: Whether the tiers below memory have just said that they have none.
    func joined(isChecked: Bool = false) async throws -> Answer {
        cache.writeMarks.watch([hash])
        defer { cache.writeMarks.unwatch([hash]) }
        while true {
            let own = Mark()
            do {
                let result = try await cache.loads.run(flight) {
                    own.set()
                    // May go on when its callers have left.
                    cache.writeMarks.watch([hash])
                    defer { cache.writeMarks.unwatch([hash]) }
                    return try await checkedOrLoaded(isChecked: isChecked)
                }
                guard let answer = result as? Answer else {
                    throw CacheError(.internalFault, "a load gave a value of another type; please report this")
                }
                // Somebody else's loader may say that there is none, and this one is not to be told.
                if case .absent = answer, !acceptsAbsence { continue }
                return answer
            } catch let failure as LoaderFailure {
                if own.isSet || loading.onFailure == .shareError { throw failure }
                try Task.checkCancellation()
            }
        }
    }
}

/// Says whether something happened.
private final class Mark: Sendable {
    private let atomic = Atomic(false)
    var isSet: Bool { atomic.load(ordering: .relaxed) }
    func set() { atomic.store(true, ordering: .relaxed) }
}
