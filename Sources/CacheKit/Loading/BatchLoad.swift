import CacheKitCore

/// One call that takes many values from the tiers, and those that are missing from one run of its loader.
struct BatchLoad<Value: Sendable>: Sendable {
    typealias Loader = @Sendable ([String]) async throws -> [String: Value]

    let namespace: Namespace<Value>
    /// Each key once.
    let keys: [String]
    let physical: [CacheKey]
    let policy: NamespacePolicy
    let ttl: Duration?
    let loader: Loader

    var cache: Cache { namespace.cache }
    var loading: LoadingPolicy { policy.loading }

    /// - Throws: What the loader throws, `CancellationError`, or ``CacheError``.
    func result() async throws -> [String: Value] {
        do {
            return try await values()
        } catch {
            throw error.ofLoad
        }
    }

    /// The load of one key of it.
    func single(_ index: Int) -> Load<Value> {
        let key = keys[index]
        return Load(namespace: namespace, key: physical[index], policy: policy, acceptsAbsence: true) {
            // The time is the value's: that there is none has its own.
            try await loader([key])[key].map { Loaded($0, ttl: ttl) } ?? .absent
        }
    }

    private func values() async throws -> [String: Value] {
        var values: [String: Value] = [:]
        var missing: [Int] = []
        var dueForRefresh: [Int] = []
        let (entries, refusal) = try await heldEntries()
        for (index, located) in entries.enumerated() {
            let load = single(index)
            var answer: Load<Value>.Answer?
            if let (entry, source) = located {
                answer = try await load.usable(entry, source)
                if answer != nil, load.freshness(of: entry) == .dueForRefresh { dueForRefresh.append(index) }
            }
            namespace.counters.read(load.hash, from: answer == nil ? nil : located?.source)
            switch answer {
            case .value(let lookup): values[keys[index]] = lookup.value
            case .absent: break
            case nil: missing.append(index)
            }
        }
        refreshInBackground(dueForRefresh)
        guard !missing.isEmpty else { return values }
        let stale = try await staleValues(missing)
        if let refusal, missing.contains(where: { stale[$0] == nil }) { throw refusal }
        refreshInBackground(missing.filter { stale[$0]?.freshness == .stale })
        var dueNow: [Int] = []
        var servedNow: [Int] = []
        for index in missing {
            // The last load failed a moment ago: everyone trying again would only wait for the same.
            let isServed = stale[index].map { $0.freshness == .stale || isPaused(index) } ?? false
            if isServed { servedNow.append(index) } else { dueNow.append(index) }
        }
        func serve(_ indices: [Int]) {
            for index in indices { values[keys[index]] = stale[index]?.value }
            served(stale: indices)
        }
        serve(servedNow)
        // Served only if nothing is left out.
        let canServe = dueNow.allSatisfy { stale[$0] != nil }
        do {
            guard let answers = try await canServe ? loadedInSoftTime(dueNow) : loaded(dueNow) else {
                serve(dueNow)
                return values
            }
            for (index, answer) in answers {
                if case .value(let lookup) = answer { values[keys[index]] = lookup.value }
            }
        } catch let failure as LoaderFailure {
            guard !Task.isCancelled, canServe else { throw failure }
            serve(dueNow)
        } catch let error as CacheError where error.isRefusal && canServe {
            serve(dueNow)
        }
        return values
    }

    /// What the tiers have, or this node alone where the remote refuses to say: then old values may be served.
    private func heldEntries() async throws(CacheError) -> ([Cache.Located?], CacheError?) {
        do {
            return (try await cache.entries(for: physical), nil)
        } catch  where error.isRefusal && loading.servesOld {
            return (try await cache.heldEntries(for: physical), error)
        }
    }

    // MARK: Stale values

    private func staleValues(_ missing: [Int]) async throws(CacheError) -> [Int: (value: Value, freshness: Freshness)] {
        guard loading.keepsStale > .zero else { return [:] }
        var stale: [Int: (value: Value, freshness: Freshness)] = [:]
        for (index, entry) in zip(missing, try await cache.staleEntries(missing.map { physical[$0] })) {
            guard let entry else { continue }
            let load = single(index)
            let freshness = load.freshness(of: entry)
            guard freshness == .stale || freshness == .lastResort,
                case .value(let lookup)? = try await load.usable(entry, .local)
            else { continue }
            stale[index] = (lookup.value, freshness)
        }
        return stale
    }

    /// A load, for as long as callers with stale values wait; `nil` once that is over, and the load goes on.
    private func loadedInSoftTime(_ indices: [Int]) async throws -> [Int: Load<Value>.Answer]? {
        guard let limit = loading.softDeadline, !indices.isEmpty else { return try await loaded(indices) }
        // Waits as well, so that the load goes on when this caller has left; without room for that it ends with its callers.
        refreshInBackground(indices)
        return try await within(limit, of: cache.clock, cache.configuration.sharedWorkExecutor) {
            try await self.loaded(indices)
        }
    }

    private func refreshInBackground(_ indices: [Int]) {
        let due = indices.filter { !isPaused($0) }
        guard !due.isEmpty else { return }
        // Named by all of its keys: another batch that shares some is not this one.
        let hashes = due.map { Hash128(physical[$0]) }
        let name = LoadKey(
            hash: Hash128(low: hashes.reduce(0) { $0 ^ $1.low }, high: hashes.reduce(0) { $0 ^ $1.high }),
            type: ObjectIdentifier(Self.self))
        cache.background.start(name) { _ = try? await loaded(due) }
    }

    private func isPaused(_ index: Int) -> Bool {
        cache.background.isPaused(single(index).name, at: cache.clock.uptime())
    }

    private func served(stale indices: [Int]) {
        cache.counters.staleServed.count(indices.count)
        for index in indices { namespace.counters.servedStale(Hash128(physical[index])) }
    }

    // MARK: One load at a time

    /// The answers of the loads that run, and of one that is started for the others.
    private func loaded(_ indices: [Int]) async throws -> [Int: Load<Value>.Answer] {
        guard !indices.isEmpty else { return [:] }
        let hashes = indices.map { Hash128(physical[$0]) }
        cache.writeMarks.watch(hashes)
        defer { cache.writeMarks.unwatch(hashes) }
        let flights = indices.map { single($0).flight }
        let claims = cache.loads.claim(flights)
        let own = indices.indices.filter { claims[$0] != nil }.map { indices[$0] }
        let others = indices.indices.filter { claims[$0] == nil }.map { indices[$0] }
        return try await withThrowingTaskGroup(of: [Int: Load<Value>.Answer].self) { group in
            if !own.isEmpty {
                group.addTask { try await claimed(own, claims.compactMap { $0 }) }
            }
            for index in others {
                group.addTask { [index: try await single(index).joined()] }
            }
            var answers: [Int: Load<Value>.Answer] = [:]
            for try await part in group { answers.merge(part) { $1 } }
            return answers
        }
    }

    /// Loads keys that nobody else loads. A caller who is cancelled leaves, and ends the load if nobody else waits for any of them.
    private func claimed(
        _ indices: [Int], _ claims: [SingleFlight<LoadKey, any Sendable>.Claim]
    ) async throws -> [Int: Load<Value>.Answer] {
        let promise = Promise<[Int: Load<Value>.Answer]>()
        // May go on when its caller has left.
        let hashes = indices.map { Hash128(physical[$0]) }
        cache.writeMarks.watch(hashes)
        let work = Task(executorPreference: cache.configuration.sharedWorkExecutor) {
            defer { cache.writeMarks.unwatch(hashes) }
            do {
                let answers = try await loadedNow(indices)
                for (index, claim) in zip(indices, claims) {
                    cache.loads.land(claim, .success(answers[index] ?? .absent(from: .loader)))
                }
                promise.keep(.success(answers))
            } catch {
                for claim in claims { cache.loads.land(claim, .failure(error)) }
                promise.keep(.failure(error))
            }
        }
        do {
            return try await promise.value
        } catch {
            if Task.isCancelled, cache.loads.abandon(claims) { work.cancel() }
            throw error
        }
    }
}
