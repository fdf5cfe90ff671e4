public import CacheKit
public import CacheKitCore

/// The lock is a key beside the value's, as in Redis: a test sees and sets it by ``value(of:)`` and ``put(_:for:expiresAt:)``.
extension SimulatedRemoteStore: RemoteLocking {
    private static func name(_ key: CacheKey) throws(CacheError) -> CacheKey { try CacheKey(key.string + ":lock") }

    /// Whether the lock of a key is somebody's.
    public func isLocked(_ key: CacheKey) throws -> Bool {
        let now = now
        return try held.entry(Self.name(key), at: now) != nil
    }

    /// Takes the lock if nobody has it.
    public func acquireLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let (name, now) = (try Self.name(key), now)
        return try changing { held in
            guard held.entry(name, at: now) == nil else { return false }
            held.cells[name] = VersionedCells.Cell(value: Array(token.text.utf8), expiresAt: now.advanced(by: lease))
            return true
        }
    }

    /// Begins the lease anew.
    public func renewLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let (name, now) = (try Self.name(key), now)
        return try changing { held in
            guard held.entry(name, at: now)?.value == Array(token.text.utf8) else { return false }
            held.cells[name]?.expiresAt = now.advanced(by: lease)
            return true
        }
    }

    /// Takes it away if it is the token's.
    public func releaseLock(of key: CacheKey, _ token: LockToken) async throws(CacheError) -> Bool {
        let (name, now) = (try Self.name(key), now)
        return try changing { held in
            guard held.entry(name, at: now)?.value == Array(token.text.utf8) else { return false }
            held.cells[name] = nil
            return true
        }
    }
}
