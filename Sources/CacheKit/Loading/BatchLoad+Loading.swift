import CacheKitCore
import Logging

/// Inside a load of many keys: asking the tiers once more, running the loader, and keeping what it gives.
extension BatchLoad {
    func loadedNow(_ indices: [Int]) async throws -> [Int: Load<Value>.Answer] {
        let answers = try await foundInMemory(indices)
        let missing = indices.filter { answers[$0] == nil }
        guard !missing.isEmpty else { return answers }
        let others = try await cache.withLoadLocks(
            for: missing, of: physical, loading, whenFound: foundInTiers, load: loadedFromLoader)
        return answers.merging(others) { $1 }
    }

    private func loadedFromLoader(_ missing: [Int]) async throws -> [Int: Load<Value>.Answer] {
        var answers: [Int: Load<Value>.Answer] = [:]
        let missingKeys = missing.map { physical[$0] }
        let absence = try await AbsencePlaces(
            cache, missingKeys, policy: policy, isWanted: loading.negativeTTL != nil || loading.servesOld)
        let stamp = try await cache.loadStamp(for: missingKeys)
        let writeMarks = missingKeys.map { cache.writeMarks.mark(of: Hash128($0)) }
        let began = cache.clock.uptime()
        let loaded = try await loadedInTime(missing)
        let took = cache.clock.uptime() - began
        cache.counters.loads.count(missing.count)
        cache.counters.loadMicroseconds.count(took.wholeMicroseconds)
        namespace.counters.loaded(Hash128(physical[missing[0]]), missing.count, in: took)
        var attributes = cache.newAttributes(policy)
        attributes.stamp = stamp
        attributes.loadMilliseconds = UInt32(clamping: took.wholeMilliseconds)
        let absent = missing.indices.filter { loaded[keys[missing[$0]]] == nil }
        await absence.remember(absent, for: loading.negativeTTL, stamp: stamp)
        var writes: [Cache.Write] = []
        for (position, index) in missing.enumerated() {
            guard let value = loaded[keys[index]] else {
                answers[index] = .absent(from: .loader)
                continue
            }
            let lookup = Lookup(
                value: value, source: .loader, isStale: false, age: .zero, remaining: ttl ?? policy.ttl, loadTime: took)
            answers[index] = .value(lookup)
            let document = try namespace.encode(value, physical[index])
            writes.append(
                Cache.Write(
                    key: physical[index], document: document, ttl: ttl, attributes: attributes,
                    loadMark: writeMarks[position]))
        }
        try await keep(writes)
        return answers
    }

    /// What another load has left that ended between the first look and the claim.
    private func foundInMemory(_ indices: [Int]) async throws(CacheError) -> [Int: Load<Value>.Answer] {
        var answers: [Int: Load<Value>.Answer] = [:]
        let now = cache.clock.now()
        for index in indices {
            let load = single(index)
            guard let entry = cache.memory.entry(load.hash, now: now, isCounted: false),
                load.freshness(of: entry) == .fresh
            else { continue }
            if let answer = try await load.usable(entry, .memory) { answers[index] = answer }
        }
        return answers
    }

    /// What other processes and nodes have stored meanwhile.
    private func foundInTiers(_ indices: [Int]) async throws -> [Int: Load<Value>.Answer] {
        var answers = try await foundInMemory(indices)
        // Memory may hold what is to be loaded anew.
        let missing = indices.filter { answers[$0] == nil }
        guard !missing.isEmpty else { return answers }
        let entries = try await cache.entries(for: missing.map { physical[$0] }, isCounted: false, asksMemory: false)
        for (index, located) in zip(missing, entries) {
            let load = single(index)
            guard let (entry, source) = located, load.isFresh(below: entry) else { continue }
            if let answer = try await load.usable(entry, source) { answers[index] = answer }
        }
        return answers
    }

    private func keep(_ writes: [Cache.Write]) async throws(CacheError) {
        do {
            try await cache.store(writes)
        } catch  where error.isStorageTrouble || error.isRefusal || error.code == .shutdown {
            cache.counters.storeFailures.count(writes.count)
            cache.configuration.logger.warning(
                "loaded values were not stored", metadata: ["values": "\(writes.count)", "error": "\(error)"])
        }
    }

    private func loadedInTime(_ indices: [Int]) async throws -> [String: Value] {
        let keys = indices.map { self.keys[$0] }
        do {
            let loaded = try await within(
                loading.hardDeadline, of: cache.clock, cache.configuration.sharedWorkExecutor
            ) { try await loader(keys) }
            guard let loaded else { throw CacheError.loadTimeout() }
            return loaded
        } catch {
            // Nobody waits any more: that says nothing of the loader.
            if Task.isCancelled { throw LoaderFailure(error: error) }
            cache.counters.loadFailures.count(indices.count)
            namespace.counters.failed(Hash128(physical[indices[0]]), indices.count)
            if loading.servesOld {
                let end = cache.clock.uptime() + loading.retryPause
                for index in indices { cache.background.pause(single(index).name, until: end) }
            }
            throw LoaderFailure(error: error)
        }
    }
}
