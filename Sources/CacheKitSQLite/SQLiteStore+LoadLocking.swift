public import CacheKit
public import CacheKitCore

extension SQLiteStore: LoadLocking {
    /// Takes the lock of a key's load: a byte of `<path>-load`, for all stores on the file, of any process.
    public func tryLoadLock(of key: CacheKey) throws(CacheError) -> (any LoadLock)? {
        try loadLocks.tryLock(file.codec.hash(key).id)
    }
}
