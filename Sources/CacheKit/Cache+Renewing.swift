import CacheKitCore
import Logging

/// Lives that begin anew without a new value: by `touch`, and by reading a sliding value.
extension Cache {
    /// Renews a sliding value that is read when less than half of its life is left; nobody waits for it.
    @inline(__always)
    func slide(_ entry: MemoryEntry, _ attributes: ValueAttributes, _ key: CacheKey) {
        if registry.hasSliding { slideIfDue(entry, attributes, key) }
    }

    private func slideIfDue(_ entry: MemoryEntry, _ attributes: ValueAttributes, _ key: CacheKey) {
        let policy = registry.policy(for: key)
        let now = clock.now()
        guard policy.loading.isSliding, entry.staleAt > now else { return }
        let left = now.duration(to: entry.staleAt)
        // The life that it was given may be another than the namespace's.
        let life =
            entry.isWriteTimeKnown
            ? max(left, entry.writtenAt.duration(to: entry.staleAt)) : attributes.slidingLife ?? policy.ttl
        guard left < life / 2 else { return }
        let end = min(now.advanced(by: life), attributes.slidingEnd ?? now.advanced(by: life))
        guard end > entry.staleAt else { return }
        background.start(LoadKey(hash: Hash128(key), type: ObjectIdentifier(Renewal.self))) {
            do {
                _ = try await self.renew(entry, key, until: end)
            } catch {
                self.configuration.logger.debug("a sliding value was not renewed", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Lets the life of what stands under a key end at another time; `false` if there is no live value.
    func touch(_ key: CacheKey, ttl: Duration?) async throws(CacheError) -> Bool {
        try requireValues()
        let ttl = ttl ?? registry.policy(for: key).ttl
        guard ttl >= .milliseconds(1), ttl <= CacheConfiguration.maximumTTL else { throw .invalidTTL() }
        // Somebody may write in between; what is renewed then is what they wrote.
        for attempt in 0..<Self.mostTries {
            guard let (entry, _) = try await located(key), !entry.isNegative else { return false }
            guard let attributes = try await openedUnlessRemoved(entry, key)?.attributes else {
                // A lower tier may have something newer.
                if attempt > 0 { return false } else { continue }
            }
            let kept = ttl + registry.policy(for: key).loading.keepsStale
            guard attributes.tags.isEmpty || kept <= RemovalMarker.longestTaggedLife else { throw .taggedForTooLong() }
            let end = clock.now().advanced(by: ttl)
            if try await renew(entry, key, until: min(end, attributes.slidingEnd ?? end)) { return true }
        }
        throw CacheError(.storeBusy, "others write this key all the time; try again later")
    }

    private static var mostTries: Int { 8 }

    /// Renews an entry if it still stands; `false` if something else does by now.
    private func renew(_ entry: MemoryEntry, _ key: CacheKey, until end: Timestamp) async throws(CacheError) -> Bool {
        let now = clock.now()
        let hash = Hash128(key)
        let policy = registry.policy(for: key)
        let change = LocalChange(
            key: key, value: entry.bytes, form: entry.form, mode: entry.mode,
            expiresAt: end.advanced(by: policy.loading.keepsStale), staleAt: end, expected: entry.sequence)
        let isRenewed: Bool
        if local != nil {
            isRenewed = try await apply([change], now: now)[0]
        } else {
            if let remote {
                let write = RemoteWrite(key: key, action: .expire(timeToLive: now.duration(to: end)))
                switch try await remote.write([write]).first {
                case .failed(let error)?: throw error
                case .missing?:
                    // Deleted there by somebody who was not heard of.
                    memory.shard(hash).remove(hash)
                    return false
                case .applied?, nil: break
                }
            }
            isRenewed = memory.shard(hash).renew(hash, entry, at: now, staleAt: end, expiresAt: change.expiresAt)
        }
        if isRenewed { counters.renewals.count() }
        return isRenewed
    }
}

/// Stands for renewing where a background load is named.
private enum Renewal {}

extension Namespace {
    /// Lets the life of a key's value begin anew, without moving the value; `false` if there is no live one.
    ///
    /// With a local store this is a change like any other, on disk when it returns; another write that comes in between is never
    /// undone. A sliding value lives no longer than its limit.
    ///
    /// - Parameter ttl: How long it lives from now; the namespace's TTL where left out. One millisecond to ten years.
    /// - Throws: As ``set(_:for:ttl:tags:)-(_,String,_,_)``.
    @discardableResult
    public func touch(_ key: String, ttl: Duration? = nil) async throws(CacheError) -> Bool {
        try await touch(self.key(key), ttl: ttl)
    }

    /// Lets the life of a physical key's value begin anew; see ``touch(_:ttl:)-(String,_)``.
    @discardableResult
    public func touch(_ key: CacheKey, ttl: Duration? = nil) async throws(CacheError) -> Bool {
        try requireDeclared()
        return try await cache.touch(key, ttl: ttl)
    }
}
