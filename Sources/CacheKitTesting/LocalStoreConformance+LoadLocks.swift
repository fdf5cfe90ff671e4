import CacheKit
import CacheKitCore

/// Locks of loads.
extension LocalStoreConformance {
    func loadLocksAreExclusive(_ store: any LocalStore) async throws {
        // Not every store has them; a cache says so where they are asked for.
        guard let locks = store as? any LoadLocking else { return }
        let key = try CacheKey("key")
        guard let first = try locks.tryLoadLock(of: key) else { return try require(false, "a free lock is given") }
        try require(try locks.tryLoadLock(of: key) == nil, "a lock has one holder")
        first.release()
        first.release()
        guard let second = try locks.tryLoadLock(of: key) else {
            return try require(false, "a lock that was given back is given again")
        }
        first.release()
        try require(try locks.tryLoadLock(of: key) == nil, "a former holder can't give back the next one's")
        second.release()
        try dropLock(of: key, locks)
        guard let last = try locks.tryLoadLock(of: key) else { return try require(false, "a dropped lock is free") }
        await store.close()
        last.release()
        do throws(CacheError) {
            _ = try locks.tryLoadLock(of: key)
            try require(false, "after closing, no lock is given")
        } catch {
            try require(error.code == .shutdown, "after closing, the store says so")
        }
    }

    private func dropLock(of key: CacheKey, _ locks: any LoadLocking) throws {
        let lock = try locks.tryLoadLock(of: key)
        try require(lock != nil, "a lock that was given back is free")
        let isHeld = try withExtendedLifetime(lock) { try locks.tryLoadLock(of: key) == nil }
        try require(isHeld, "a lock is held until it is dropped")
    }
}
