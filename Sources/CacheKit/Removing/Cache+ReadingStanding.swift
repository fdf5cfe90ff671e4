import CacheKitCore

/// Reading past what was removed.
extension Cache {
    /// Whether a value is known not to have been removed, without asking anybody.
    func isKnownToStand(_ attributes: ValueAttributes, _ scope: RemovalScope?) -> Bool {
        guard let scope else { return true }
        return scope.standing(attributes, uptime: clock.uptime, now: clock.now) == .alive
    }

    /// Whether a value is known to have been removed, without asking anybody.
    func isKnownRemoved(_ attributes: ValueAttributes, _ state: NamespaceState) -> Bool {
        state.removals?.standing(attributes, uptime: clock.uptime, now: clock.now) == .removed
    }

    /// What an entry says, with no document for a negative result, after asking for what is not known of removals; `nil` if it
    /// was removed: then memory lets go of it, and its row is asked for at the remote, which may have something newer.
    ///
    /// - Parameter state: What decides about the key usually.
    func openedUnlessRemoved(
        _ entry: MemoryEntry, _ key: CacheKey, usually state: NamespaceState? = nil
    ) async throws(CacheError) -> (document: [UInt8]?, attributes: ValueAttributes)? {
        let opened = try said(entry, key)
        guard entry.mode == .native, let scope = registry.removals(for: key, usually: state) else { return opened }
        // A removal made here is newer than what was read here.
        stamps.observe(opened.attributes.stamp, at: clock.now())
        guard try await isRemoved(opened.attributes, scope) else { return opened }
        let hash = Hash128(key)
        memory.shard(hash).drop(hash, entry)
        if local != nil, remote != nil { unverified.changed([hash]) }
        counters.removedEntries.count()
        return nil
    }

    /// Opens an entry that a caller reads.
    func opened(
        _ entry: MemoryEntry, _ key: CacheKey
    ) throws(CacheError) -> (document: [UInt8], attributes: ValueAttributes) {
        do {
            return try sealer.opened(entry, key: key)
        } catch {
            counters.openFailures.count(error)
            throw error
        }
    }

    /// No document for a negative result, only when the load began that found none.
    private func said(
        _ entry: MemoryEntry, _ key: CacheKey
    ) throws(CacheError) -> (document: [UInt8]?, attributes: ValueAttributes) {
        guard entry.isNegative else {
            let (document, attributes) = try opened(entry, key)
            return (document, attributes)
        }
        var attributes = ValueAttributes()
        attributes.stamp = entry.bytes.reduce(0) { $0 << 8 | UInt64($1) }
        return (nil, attributes)
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
            try await learn(scope.unknown(for: ValueAttributes(), uptime: clock.uptime, now: clock.now))
            if scope.isUntouched(uptime: clock.uptime) { others.append(index) } else { toOpen.append(index) }
        }
        guard !toOpen.isEmpty else { return try await contains(keys) }
        var found = [Bool](repeating: false, count: keys.count)
        for (index, isThere) in zip(others, try await contains(others.map { keys[$0] })) { found[index] = isThere }
        for isSecond in [false, true] {
            let asked = toOpen
            toOpen = []
            for (index, located) in zip(asked, try await entries(for: asked.map { keys[$0] })) {
                guard let entry = located?.entry else { continue }
                guard let opened = try await openedUnlessRemoved(entry, keys[index]) else {
                    // What memory held was removed; a lower tier may have something newer.
                    if !isSecond { toOpen.append(index) }
                    continue
                }
                found[index] = opened.document != nil
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
}
