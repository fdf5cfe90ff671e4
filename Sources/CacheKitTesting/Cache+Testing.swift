public import CacheKit
public import CacheKitCore
public import CacheKitSync

/// How a cache under test keeps its values.
public enum TestEncryption: Sendable {
    /// Sealed, under a key that is made for the cache and thrown away with it.
    case secure
    /// Readable in memory and in the remote.
    case plain
}

extension Cache {
    /// A cache in memory and the clock that it goes by, which stands still until it is told to move.
    ///
    /// Needs no disk, no server, no environment and no run, and repeats itself: random shares of waits are one half.
    ///
    /// ```swift
    /// let (cache, clock) = try await Cache.testing()
    /// let users = cache.namespace("users", of: String.self)
    /// try await users.set("Ada", for: "1")
    /// clock.advance(by: .seconds(60))
    /// #expect(try await users.get("1") == nil)
    /// ```
    ///
    /// - Parameters:
    ///   - encryption: secure or plain.
    ///   - ttl: how long values live where neither call nor namespace says it.
    ///   - adjust: changes the rest of the configuration.
    public static func testing(
        _ encryption: TestEncryption = .secure, ttl: Duration = .seconds(60),
        _ adjust: (inout CacheConfiguration) -> Void = { _ in }
    ) async throws(CacheError) -> (cache: Cache, clock: ManualClock) {
        let clock = ManualClock()
        return (try await testing(encryption, ttl: ttl, clock: clock, local: .none, remote: .none, adjust), clock)
    }

    /// A cache over the tiers of a test, such as ``SimulatedLocalStore`` and ``SimulatedRemoteStore``, that goes by the clock of the
    /// test.
    ///
    /// Nothing moves by itself: `push(deadline:retrying:)` with `retrying: false` sends what is pending in one go and comes back,
    /// `reconcile()` compares all rows, and with a task that calls `run()` the background goes on when the clock does.
    ///
    /// ```swift
    /// let clock = ManualClock()
    /// let remote = SimulatedRemoteStore(clock: clock)
    /// let cache = try await Cache.testing(clock: clock, local: SimulatedLocalStore(clock: clock), remote: remote)
    /// try await cache.bytes.set([1], for: "k")
    /// _ = await cache.push(deadline: .seconds(1), retrying: false)
    /// #expect(remote.count == 1)
    /// ```
    ///
    /// - Parameters:
    ///   - encryption: secure or plain. A local store of a plain cache has a key of its own all the same.
    ///   - key: the master key; one that is thrown away where left out. Caches that share a store need the same.
    ///   - ttl: how long values live where neither call nor namespace says it.
    ///   - clock: where time comes from, here and in the simulated stores.
    ///   - local: the local tier; left out: none.
    ///   - remote: the remote tier; left out: none.
    ///   - sync: how changes are carried from the one to the other; its random shares of waits are one half.
    ///   - adjust: changes the rest of the configuration.
    public static func testing(
        _ encryption: TestEncryption = .secure, key: MasterKey? = nil, ttl: Duration = .seconds(60), clock: ManualClock,
        local: some LocalStoreProvider = .none, remote: some RemoteStoreProvider = .none,
        sync: SyncConfiguration = .init(), _ adjust: (inout CacheConfiguration) -> Void = { _ in }
    ) async throws(CacheError) -> Cache {
        var configuration = CacheConfiguration()
        configuration.clock = clock
        configuration.jitter = { 0.5 }
        configuration.defaultTTL = ttl
        adjust(&configuration)
        var sync = sync
        sync.jitter = { 0.5 }
        let source: KeySource
        if let key { source = .key(key) } else { source = .key(try MasterKey.generate()) }
        return try await Cache(
            local: local, remote: remote, sync: .writeBehind(sync),
            encryption: encryption == .secure ? .secure(key: source) : .plain(fileKey: source),
            configuration: configuration)
    }
}
