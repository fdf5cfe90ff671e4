import CacheKit

/// Declares the namespaces of keys that a command reads or writes, so that removals count for it as they do for a service, and what it
/// writes is newer than those before.
struct KeyNamespaces {
    let cache: Cache
    let mode: NamespaceMode
    private var declared: Swift.Set<String> = []

    /// An import may name any number: of those beyond, removals whose clock is ahead of this one are newer than what is written.
    private static let maximumCount = 256

    init(_ cache: Cache, mode: NamespaceMode) {
        self.cache = cache
        self.mode = mode
    }

    /// What stands before the first colon; a name that is none is passed over, as the key may be all the same.
    mutating func declare(_ key: CacheKey) {
        guard let colon = key.string.utf8.firstIndex(of: UInt8(ascii: ":")) else { return }
        let name = String(key.string[..<colon])
        guard declared.count < Self.maximumCount, declared.insert(name).inserted else { return }
        _ = cache.namespace(name, of: MessagePackValue.self, mode: mode)
    }
}
