public import CacheKitCore

/// A page of the feed without its values: which keys changed.
public struct ChangedKeys: Sendable {
    /// A key and its latest change.
    public struct Element: Sendable {
        /// The key.
        public var key: CacheKey
        /// Its latest change.
        public var sequence: ChangeSequence

        /// A key and its latest change.
        public init(key: CacheKey, sequence: ChangeSequence) {
            self.key = key
            self.sequence = sequence
        }
    }

    /// The keys, in the order of their changes.
    public var keys: [Element]
    /// Every change up to here is among the keys or counted in `unreadable`: the next page begins behind it. Where nothing
    /// is left, the last change of the store.
    public var through: ChangeSequence
    /// Changes whose key can't be told, because their rows do not authenticate.
    public var unreadable: Int

    /// A page of the feed.
    public init(keys: [Element], through: ChangeSequence, unreadable: Int = 0) {
        self.keys = keys
        self.through = through
        self.unreadable = unreadable
    }
}
