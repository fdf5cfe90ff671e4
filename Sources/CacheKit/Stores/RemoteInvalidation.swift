public import CacheKitCore

/// What a remote says of changes that others made.
public enum RemoteInvalidation: Sendable, Equatable {
    /// These keys were written, deleted, evicted, or have expired.
    case keys([CacheKey])
    /// Anything may have changed: the remote was emptied, or was not heard for a while, or said too much at once.
    case everything
}

/// Whether changes that others made in the remote are heard of.
public enum RemoteFollowing: Sendable {
    /// There is no remote, or it can't tell.
    case absent
    /// Nobody follows: no task runs the cache.
    case idle
    /// They are heard of.
    case active
    /// They are not, and why; tried again.
    case lost(CacheError)
    /// The remote refuses to tell, and why; asked again now and then.
    case refused(CacheError)
}

extension RemoteStore {
    /// Returns at once: a store that can't tell of changes.
    public func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async {}

    /// A store that can't tell of changes.
    public var following: RemoteFollowing { .absent }
}
