public import CacheKit
public import CacheKitCore

/// Any local store, which fails on demand: the words of ``FailsOnDemand`` before a real file.
///
/// ```swift
/// let clock = ManualClock()
/// let local = FailingLocalStore(SimulatedLocalStore(clock: clock), clock: clock)
/// let cache = try await Cache.testing(clock: clock, local: local)
/// local.failNext(.diskFull)
/// ```
public final class FailingLocalStore<Base: LocalStore>: ForwardingStore, LocalStoreProvider, FailsOnDemand {
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
    public func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? { self }
}

extension FailingLocalStore: LoadLocking where Base: LoadLocking {
    /// As the store behind it, unless there is an outage of reads.
    public func tryLoadLock(of key: CacheKey) throws(CacheError) -> (any LoadLock)? {
        if let failure = failures.outage(of: .reads) { throw failure }
        return try base.tryLoadLock(of: key)
    }
}
