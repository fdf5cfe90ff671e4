public import CacheKitCore

/// Where listing a remote's keys goes on. What it says is the store's own, and holds for a while only.
public struct RemoteKeyCursor: Sendable, Equatable {
    /// Opaque; another store can't read it.
    public var bytes: [UInt8]

    /// A place that a store gave.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }
}

/// Some of a remote's keys.
public struct RemoteKeyPage: Sendable, Equatable {
    /// In no order; perhaps none, though others follow.
    public var keys: [CacheKey]
    /// Where the next page begins; `nil` after the last one.
    public var next: RemoteKeyCursor?

    /// A page.
    public init(keys: [CacheKey], next: RemoteKeyCursor?) {
        self.keys = keys
        self.next = next
    }
}
