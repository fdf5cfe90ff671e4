public import CacheKitCore

/// A local store that gives out locks to those who load a key: one at a time, of all that have the store open.
public protocol LoadLocking: Sendable {
    /// Takes the lock of a key's load without waiting; `nil` if another has it, in this process or elsewhere.
    ///
    /// Blocks for a few microseconds at the most. It outlives no holder: dropping it, or the end of the process, frees it. Reads
    /// that begin once it is taken see what was committed before it was given back. Two keys may happen to share a lock.
    ///
    /// - Throws: What keeps the store from giving out any lock; ``CacheError/Code/storeBusy`` where too many are held.
    func tryLoadLock(of key: CacheKey) throws(CacheError) -> (any LoadLock)?
}

/// The lock of one key's load; held until it is released or dropped.
public protocol LoadLock: Sendable {
    /// Gives it back; again is harmless.
    func release()
}
