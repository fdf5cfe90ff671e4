import CacheKitCore

/// Removing a namespace or a tag: one marker is written, whatever it kills.
extension Cache {
    /// Writers of one marker that take turns in being overtaken; each wrote a later one.
    private static let writesPerRemoval = 16

    /// Removes all of a namespace.
    func removeAll(_ scope: RemovalScope) async throws(CacheError) {
        try requireValues()
        try await remove([.all], scope)
        changeHub.removedAll(scope.name)
    }

    /// Removes what has a tag.
    func removeAll(tagged tag: String, _ scope: RemovalScope) async throws(CacheError) {
        try requireValues()
        let hash = try TagHash(checked: tag)
        // In this order: a tag that is forgotten once it is known is covered by the latest of any.
        try await remove([.anyTag, .tag(hash)], scope)
        changeHub.removed(tag: tag, scope.name)
    }

    private func remove(_ parts: [RemovalMarker.Part], _ scope: RemovalScope) async throws(CacheError) {
        // Later than the latest that is there, by whichever process, and than what was stamped after that.
        try await meet(scope.chain)
        let stamp = stamps.nextRemoval(at: clock.now())
        for part in parts { scope.claim(part, stamp) }
        try await write(parts.map { ($0, stamp) }, scope)
        counters.removals.count()
    }

    /// Writes markers; where another caller has decided on a later one meanwhile, that one stands last.
    func write(_ parts: [(part: RemovalMarker.Part, stamp: UInt64)], _ scope: RemovalScope) async throws(CacheError) {
        var parts = parts
        for _ in 0..<Self.writesPerRemoval {
            if local != nil || remote != nil { try await commit(parts, scope) }
            for (part, stamp) in parts {
                scope.raise(part, to: stamp)
                if local != nil, remote != nil { scope.confirm(part, false) }
            }
            parts = parts.compactMap { part, stamp in
                let latest = scope.claim(part, stamp)
                return latest > stamp ? (part, latest) : nil
            }
            if parts.isEmpty { return }
        }
    }

    private func commit(
        _ parts: [(part: RemovalMarker.Part, stamp: UInt64)], _ scope: RemovalScope
    ) async throws(CacheError) {
        let now = clock.now()
        var changes: [LocalChange] = []
        for (part, stamp) in parts {
            let marker = RemovalMarker(scope.name, part)
            var attributes = ValueAttributes()
            attributes.stamp = stamp
            let key = marker.key
            let (bytes, form) = try sealer.seal(RemovalMarker.document, attributes, key: key, mode: .native)
            changes.append(
                LocalChange(key: key, value: bytes, form: form, mode: .native, expiresAt: now.advanced(by: marker.life))
            )
        }
        do throws(CacheError) {
            try await apply(changes, now: now)
        } catch {
            // It may have been written all the same.
            for (part, _) in parts { scope.doubt(part) }
            throw error
        }
    }
}
