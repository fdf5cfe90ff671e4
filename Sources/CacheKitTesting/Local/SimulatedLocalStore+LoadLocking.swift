public import CacheKit
public import CacheKitCore
import Synchronization

extension SimulatedLocalStore: LoadLocking {
    private final class Lock: LoadLock {
        private let store: SimulatedLocalStore
        private let key: CacheKey
        private let number: Int

        init(_ store: SimulatedLocalStore, _ key: CacheKey, _ number: Int) {
            self.store = store
            self.key = key
            self.number = number
        }

        deinit { release() }

        func release() {
            store.state.withLock { if $0.loadLocks[key] == number { $0.loadLocks[key] = nil } }
        }
    }

    /// While set, no lock of a load is given out, and this is why.
    public func setLoadLockFailure(_ error: CacheError?) { state.withLock { $0.loadLockFailure = error } }

    /// How many loads hold a lock.
    public var loadLockCount: Int { state.withLock { $0.loadLocks.count } }

    /// The lock of a key's load, once at a time.
    public func tryLoadLock(of key: CacheKey) throws(CacheError) -> (any LoadLock)? {
        let number: Int? = try using { state throws(CacheError) in
            if let failure = state.loadLockFailure { throw failure }
            guard state.loadLocks[key] == nil else { return nil }
            state.leaseCount += 1
            state.loadLocks[key] = state.leaseCount
            return state.leaseCount
        }
        return number.map { Lock(self, key, $0) }
    }
}
