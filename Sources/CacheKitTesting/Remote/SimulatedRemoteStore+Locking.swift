public import CacheKit
public import CacheKitCore

/// Locks are keys beside the values', as every SDK has them: whoever empties the remote takes them away.
extension SimulatedRemoteStore: RemoteLocking {
    /// Takes the lock if nobody has it.
    public func acquireLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let name = try CacheKey(key.string + ":lock")
        return try await writing { held, _, now in
            guard held.live(name, at: now) == nil else { return false }
            held.cells[name] = VersionedCells.Cell(value: Array(token.text.utf8), expiresAt: now.advanced(by: lease))
            return true
        }
    }

    /// Lets the lease begin anew if the lock is the token's.
    public func renewLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let name = try CacheKey(key.string + ":lock")
        return try await writing { held, _, now in
            guard held.live(name, at: now)?.value == Array(token.text.utf8) else { return false }
            held.cells[name]?.expiresAt = now.advanced(by: lease)
            return true
        }
    }

    /// Gives the lock back if it is the token's.
    public func releaseLock(of key: CacheKey, _ token: LockToken) async throws(CacheError) -> Bool {
        let name = try CacheKey(key.string + ":lock")
        return try await writing { held, _, now in
            guard held.live(name, at: now)?.value == Array(token.text.utf8) else { return false }
            held.cells[name] = nil
            return true
        }
    }
}
