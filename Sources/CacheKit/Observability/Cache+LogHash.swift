public import CacheKitCore
package import Logging

extension Cache {
    /// What logs call a key: `#` and 12 hex digits of a hash that depends on master key and tenant.
    ///
    /// `cachekit keys hash` gives the same for the same master key and tenant, so that an operator can find a key. A cache without a
    /// master key (plain and without a file, or relaying) draws a key of its own: its hashes hold for this cache alone.
    public func logHash(of key: CacheKey) -> String { keyHasher.hash(key) }

    static func keyHasher(_ keys: LocalStoreKeys?, tenant: String) throws(CacheError) -> KeyHasher {
        guard case .keyring(let keyring) = keys else { return try KeyHasher() }
        return try KeyHasher(master: keyring.current, tenant: tenant)
    }
}

extension Logger.MetadataValue {
    /// What the log calls some keys: the first ten of them.
    package static func hashes(of keys: [CacheKey], _ hash: (CacheKey) -> String) -> Logger.MetadataValue {
        .array(keys.prefix(10).map { .string(hash($0)) })
    }
}
