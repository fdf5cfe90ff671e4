import CacheKitCore
import Logging

/// Inside a load: asking the tiers once more, running the loader, and keeping what it gives.
extension Load {
    /// What a tier has, unless it is to be loaded anew.
    ///
    /// - Parameter isChecked: Whether the tiers below memory have just said that they have none.
    func checkedOrLoaded(isChecked: Bool) async throws -> Answer {
        // Memory was asked and counted before; it is asked again because another load may just have ended.
        if let found = try await found(belowMemory: !isChecked) { return found }
        return try await cache.withLoadLocks(for: key, loading) {
            try await foundElsewhere()
        } load: {
            try await loaded()
        }
    }

    private func found(belowMemory: Bool) async throws(CacheError) -> Answer? {
        let located: Cache.Located?
        if belowMemory {
            located = try await cache.located(key, isCounted: false)
        } else {
            located = cache.memory.entry(hash, now: cache.clock.now(), isCounted: false).map { ($0, .memory) }
        }
        guard let (entry, source) = located, freshness(of: entry) == .fresh else { return nil }
        return try await usable(entry, source, isCounted: true)
    }

    /// What others have stored meanwhile, also where memory holds what is to be loaded anew.
    private func foundElsewhere() async throws(CacheError) -> Answer? {
        if let found = try await found(belowMemory: false) { return found }
        let located = try await cache.entryBelowMemory(key, hash)
        guard let (entry, source) = located, isFresh(below: entry) else { return nil }
        return try await usable(entry, source, isCounted: true)
    }

    /// Whether an entry that was read below memory need not be loaded anew; memory knows for how long it has been there.
    func isFresh(below entry: MemoryEntry) -> Bool {
        freshness(of: cache.memory.entry(hash, now: cache.clock.now(), isCounted: false) ?? entry) == .fresh
    }

    /// What an entry says to this caller; `nil` for bytes that do not fit the type, and for what was removed; authentication
    /// is not forgiven.
    func usable(
        _ entry: MemoryEntry, _ source: Lookup<Value>.Source, isCounted: Bool = false
    ) async throws(CacheError) -> Answer? {
        if entry.isNegative {
            guard acceptsAbsence else { return nil }
            return try await cache.openedUnlessRemoved(entry, key, usually: namespace.state).map { _ in
                .absent(from: source)
            }
        }
        do {
            return try await namespace.lookup(entry, key, from: source).map { .value($0) }
        } catch  where error.code == .decoding || error.code == .invalidEnvelope {
            if isCounted { cache.counters.undecodable.count() }
            return nil
        }
    }

    func freshness(of entry: MemoryEntry) -> Freshness {
        // Of the key, whose hash is another one in each process.
        let spread = Double(hash.high >> 32) / Double(UInt32.max)
        return Freshness(entry, loading, spread: spread, at: cache.clock.now())
    }

    private func loaded() async throws -> Answer {
        let absence = try await AbsencePlaces(cache, [key], policy: policy, isWanted: acceptsAbsence)
        let stamp = try await cache.loadStamp(for: [key])
        let writeMark = cache.writeMarks.mark(of: hash)
        let began = cache.clock.uptime()
        let loaded = try await loadedInTime()
        let took = cache.clock.uptime() - began
        cache.counters.loads.count()
        cache.counters.loadMicroseconds.count(took.wholeMicroseconds)
        namespace.counters.loaded(hash, in: took)
        guard let value = loaded.value else {
            await absence.remember([0], for: loaded.ttl ?? loading.negativeTTL, stamp: stamp)
            return .absent(from: .loader)
        }
        var attributes = cache.newAttributes(policy)
        attributes.stamp = stamp
        attributes.loadMilliseconds = UInt32(clamping: took.wholeMilliseconds)
        attributes.tags = try ValueAttributes.hashes(of: loaded.tags)
        // What was written meanwhile is newer, whatever it says; the callers who wait had asked before.
        let life = try await keep(value, ttl: loaded.ttl, attributes, writeMark)
        return .value(
            Lookup(value: value, source: .loader, isStale: false, age: .zero, remaining: life, loadTime: took))
    }

    private func loadedInTime() async throws -> Loaded<Value> {
        do {
            let loaded = try await within(
                loading.hardDeadline, of: cache.clock, cache.configuration.sharedWorkExecutor, loader)
            guard let loaded else { throw CacheError.loadTimeout() }
            return loaded
        } catch {
            // Nobody waits any more: that says nothing of the loader.
            if Task.isCancelled { throw LoaderFailure(error: error) }
            cache.counters.loadFailures.count()
            namespace.counters.failed(hash)
            if loading.servesOld {
                cache.background.pause(name, until: cache.clock.uptime() + loading.retryPause)
            }
            throw LoaderFailure(error: error)
        }
    }

    /// Stores a loaded value unless its key was written since `mark`; gives how long it lives.
    private func keep(
        _ value: Value, ttl: Duration?, _ attributes: ValueAttributes, _ mark: UInt32
    ) async throws(CacheError) -> Duration {
        let document = try namespace.encode(value, key)
        do {
            let write = Cache.Write(key: key, document: document, ttl: ttl, attributes: attributes, loadMark: mark)
            return try await cache.store([write])[0]
        } catch  where error.isStorageTrouble || error.isRefusal || error.code == .shutdown {
            cache.counters.storeFailures.count()
            cache.configuration.logger.warning(
                "a loaded value was not stored",
                metadata: ["key": "\(cache.keyHasher.hash(key))", "error": "\(error)"])
            return ttl ?? policy.ttl
        }
    }
}

extension CacheError {
    static func loadTimeout() -> CacheError {
        CacheError(.loadTimeout, "the loader took longer than its hardDeadline and was cancelled")
    }

    /// Whether a tier is away, full or busy, or holds something newer, as opposed to a value or a configuration that is wrong.
    var isStorageTrouble: Bool {
        switch code {
        case .diskFull, .inputOutput, .readOnlyStore, .storeBusy, .backPressure, .notApplied: true
        default: isRemoteAway
        }
    }
}
