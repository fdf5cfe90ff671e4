public import CacheKit
public import CacheKitCore

/// Any remote store, which fails on demand: the words of ``FailsOnDemand`` before a real server.
public final class FailingRemoteStore<Base: RemoteStore>: ForwardingRemoteStore, RemoteStoreProvider, FailsOnDemand {
    /// The store behind it.
    public let base: Base
    /// What it was told to do wrong.
    public let failures: FailurePlan

    /// A store before another one.
    public init(_ base: Base, clock: any CacheClock) {
        self.base = base
        failures = FailurePlan(clock: clock)
    }

    /// Fails, or passes a call on.
    public func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result {
        let failure = try await failures.before(call)
        let result = try await body()
        if let failure { throw failure }
        return result
    }

    /// This very store.
    public func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? { self }
}

extension FailingRemoteStore: RemoteLocking where Base: RemoteLocking {}
