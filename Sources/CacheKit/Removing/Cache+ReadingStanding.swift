import CacheKitCore

/// Reading past what was removed.
extension Cache {
    /// Whether a value is known not to have been removed, without asking anybody.
    func isKnownToStand(_ attributes: ValueAttributes, _ scope: RemovalScope?) -> Bool {
        guard let scope else { return true }
        return scope.standing(attributes, uptime: clock.uptime) == .alive
    }

    /// Whether a value is known to have been removed, without asking anybody.
    func isKnownRemoved(_ attributes: ValueAttributes, _ state: NamespaceState) -> Bool {
        state.removals?.standing(attributes, uptime: clock.uptime) == .removed
    }

    /// Whether a value was not removed, after asking for what is not known. Memory lets go of one that was, and its row is
    /// asked for at the remote, which may have something newer.
    func stands(
        _ attributes: ValueAttributes, _ scope: RemovalScope?, _ entry: MemoryEntry, _ hash: Hash128
    ) async throws(CacheError) -> Bool {
        guard let scope else { return true }
        // A removal made here is newer than what was read here.
        stamps.observe(attributes.stamp, at: clock.now())
        guard try await isRemoved(attributes, scope) else { return true }
        memory.shard(hash).drop(hash, entry)
        if local != nil, remote != nil { unverified.changed([hash]) }
        counters.removedEntries.count()
        return false
    }

    /// Whether each key has a live entry that was not removed. Values are opened where something was removed of their
    /// namespace, and only there.
    func containsStanding(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        var toOpen: [Int] = []
        var others: [Int] = []
        for (index, key) in keys.enumerated() {
            guard let scope = registry.removals(for: key, usually: nil) else {
                others.append(index)
                continue
            }
            try await learn(scope.unknown(for: ValueAttributes(), uptime: clock.uptime))
            if scope.isUntouched(uptime: clock.uptime) { others.append(index) } else { toOpen.append(index) }
        }
        guard !toOpen.isEmpty else { return try await contains(keys) }
        var found = [Bool](repeating: false, count: keys.count)
        for (index, isThere) in zip(others, try await contains(others.map { keys[$0] })) { found[index] = isThere }
        for isSecond in [false, true] {
            let asked = toOpen
            toOpen = []
            for (index, entry) in zip(asked, try await entries(for: asked.map { keys[$0] })) {
                guard let entry else { continue }
                let attributes = try sealer.opened(entry, key: keys[index]).attributes
                found[index] = try await stands(
                    attributes, registry.removals(for: keys[index], usually: nil), entry, Hash128(keys[index]))
                // What memory held was removed; a lower tier may have something newer.
                if !found[index], !isSecond { toOpen.append(index) }
            }
            if toOpen.isEmpty { break }
        }
        return found
    }

    /// Tells apart what is loaded before and after a removal.
    func removalGeneration(of key: CacheKey) -> UInt64 {
        registry.removals(for: key, usually: nil)?.generation ?? 0
    }
}

extension Namespace {
    /// Whose removals count for an entry.
    func removals(for key: CacheKey, _ entry: MemoryEntry) -> RemovalScope? {
        entry.mode == .native ? cache.registry.removals(for: key, usually: state) : nil
    }

    /// The value of an entry; `nil` if it was removed.
    func current(_ entry: MemoryEntry, _ key: CacheKey) async throws(CacheError) -> Value? {
        let (document, attributes) = try cache.sealer.opened(entry, key: key)
        let scope = removals(for: key, entry)
        guard try await cache.stands(attributes, scope, entry, Hash128(key)) else { return nil }
        return try codec.decode(document)
    }

    /// What the remote has where the file has what was removed.
    func valueInPlaceOfRemoved(_ key: CacheKey, _ hash: Hash128) async throws(CacheError) -> Value? {
        guard cache.local != nil, cache.remote != nil, let entry = try await cache.entryBelowMemory(key, hash) else {
            return nil
        }
        return try await current(entry, key)
    }
}
