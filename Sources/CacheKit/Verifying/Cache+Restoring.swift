import CacheKitCore

/// Giving a remote back what it lost of a version that this node holds, whoever made it.
///
/// The node that wrote it sends it again by itself, if it still holds it as its own and is there. Others may hold it, too: without them,
/// what they go on serving and what the remote has would differ for as long as it lives.
extension Cache {
    /// Sends rows that the remote is behind, under the versions that they have: nothing that is newer there is touched.
    /// Says which of them the remote has now.
    func restore(
        _ rows: [(key: CacheKey, entry: StoredEntry)], _ local: any LocalStore, _ remote: any RemoteStore,
        _ now: Timestamp
    ) async throws(CacheError) -> [Bool] {
        let node = try await local.sendingState().node
        var pushes: [BucketPush] = []
        for row in rows where row.entry.version.isReal {
            guard
                let write = try Self.write(row.key, row.entry, tombstoneLifetime: configuration.tombstoneLifetime, now)
            else { continue }
            // No mark is expected, and none is moved: this is none of what the engine keeps count of.
            pushes.append(
                BucketPush(
                    bucket: remote.bucket(of: row.key), writes: [write], node: node, expectedMark: 0, mark: 0,
                    recordsMayBeLost: false, now: now))
        }
        var isThere: [CacheKey: Bool] = [:]
        for (push, answer) in zip(pushes, pushes.isEmpty ? [] : try await remote.push(pushes)) {
            guard case .weighed(_, let verdicts) = answer else { continue }
            for (write, verdict) in zip(push.writes, verdicts) {
                switch verdict {
                case .applied, .already: isThere[write.key] = true
                default: break
                }
            }
        }
        return rows.map { isThere[$0.key] ?? false }
    }

    private static func write(
        _ key: CacheKey, _ entry: StoredEntry, tombstoneLifetime: Duration, _ now: Timestamp
    ) throws(CacheError) -> VersionedWrite? {
        // The remote never had it.
        guard !entry.isNegative else { return nil }
        var action = VersionedWrite.Action.delete
        var fingerprint = ValueFingerprint.none
        var end = entry.staleAt
        if let value = entry.value {
            fingerprint = try ValueFingerprint(of: value, form: entry.form)
            if entry.staleAt > now {
                action = .put(value, timeToLive: now.duration(to: entry.staleAt))
            } else {
                // What was read had been there, so what it replaced must not show again.
                guard entry.origin == .remote else { return nil }
                action = .expire
                end = now.advanced(by: tombstoneLifetime)
            }
        }
        return VersionedWrite(
            key: key, action: action, version: entry.version, fingerprint: fingerprint, base: entry.base, isLate: true,
            isTooOld: false, acceptsAbsence: true, isResend: true, recordExpiresAt: end)
    }
}
