public import CacheKitCore

/// Says that a tier is left out.
public struct NoStore: LocalStoreProvider, RemoteStoreProvider {
    /// None.
    public var problems: [ConfigurationProblem] { [] }

    /// Always `nil`.
    public func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { nil }

    /// Always `nil`.
    public func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { nil }
}

extension LocalStoreProvider where Self == NoStore {
    /// No local tier.
    public static var none: NoStore { NoStore() }
}

extension RemoteStoreProvider where Self == NoStore {
    /// No remote tier: the cache works offline only.
    public static var none: NoStore { NoStore() }
}
