public import CacheKitCore
import Synchronization

/// A cache over the tiers that its configuration names: memory, a local store, a remote store.
///
/// Values are encoded and, in a secure cache, sealed before they reach any tier, and opened once when they are read. A cache
/// starts nothing by itself: ``run()`` does all background work.
public final class Cache: Sendable {
    let configuration: CacheConfiguration
    let memory: MemoryTier
    let local: (any LocalStore)?
    let remote: (any RemoteStore)?
    let synchronizer: (any Synchronizer)?
    let sealer: ValueSealer
    let keyHasher: KeyHasher
    let registry: NamespaceRegistry
    let counters = CacheCounters()
    let unverified: UnverifiedRows
    /// When all rows were last compared with the remote.
    let lastReconciledAt = Mutex<Timestamp?>(nil)
    let remoteReads: SingleFlight<RemoteReadKey, MemoryEntry?>
    let loads: SingleFlight<LoadKey, any Sendable>
    let markerReads: SingleFlight<[RemovalMarker], Void>
    let stamps = StampClock()
    let writeMarks = WriteMarks()
    let changeHub = ChangeHub()
    let background: BackgroundLoads
    let lockReturns = LockReturns()
    let fileLockOutage = LockOutage()
    let remoteLockOutage = LockOutage()
    let lifecycle: CacheLifecycle
    /// Outlives a run, so that the next one does not export the same growth again.
    let exporter = Mutex(MetricsExporter())

    var clock: any CacheClock { configuration.clock }

    /// Opens the tiers. Does not wait for a remote to be reachable.
    ///
    /// - Parameters:
    ///   - local: The durable tier in this machine, such as `.sqlite(path:)`; left out: none.
    ///   - remote: The tier shared by many nodes, such as `.redis(_:)`; left out: offline only.
    ///   - sync: What carries local changes to the remote, `.writeBehind()`; needed when both tiers are given.
    ///   - encryption: Secure or plain, always said.
    /// - Throws: ``CacheError/Code/invalidConfiguration``, ``CacheError/Code/missingMasterKey``,
    ///   ``CacheError/Code/invalidMasterKey``, and what the local store says of its file. Of several mistakes in the
    ///   configuration each is a line of the message, and nothing was opened or created.
    public init(
        local: some LocalStoreProvider = .none, remote: some RemoteStoreProvider = .none,
        sync: some SynchronizerProvider = .none, encryption: Encryption, configuration: CacheConfiguration = .init()
    ) async throws(CacheError) {
        // All mistakes at once, and before a store opens or creates anything.
        let keys = try Self.check(configuration, local, remote, sync, encryption)
        // What the synchronizer learns of the machine's clock holds for everything here.
        let clock = CorrectedClock(configuration.clock)
        var configuration = configuration
        configuration.clock = clock
        self.configuration = configuration
        remoteReads = SingleFlight(executor: configuration.sharedWorkExecutor, startsInPlace: true)
        loads = SingleFlight(executor: configuration.sharedWorkExecutor)
        markerReads = SingleFlight(executor: configuration.sharedWorkExecutor, startsInPlace: true)
        background = BackgroundLoads(
            limit: configuration.maximumBackgroundLoads, executor: configuration.sharedWorkExecutor)
        let memory = MemoryTier(configuration.memory)
        self.memory = memory
        let sealer = try ValueSealer(
            encryption.choice, keys, tenant: configuration.tenant, maximumValueBytes: configuration.maximumValueBytes)
        let registry = NamespaceRegistry(
            fallback: NamespacePolicy(
                mode: configuration.defaultMode, ttl: configuration.defaultTTL, loading: configuration.loading),
            hasStores: !(local is NoStore) || !(remote is NoStore))
        self.sealer = sealer
        let keyHasher = try Self.keyHasher(keys, tenant: configuration.tenant)
        self.keyHasher = keyHasher
        self.registry = registry
        // What changed in the remote before now was not heard of.
        let unverified = UnverifiedRows(isGapOpen: !(local is NoStore) && !(remote is NoStore))
        self.unverified = unverified
        let stores = try await OpenedStores(
            local, remote, sync, configuration, keys, clock,
            replaced: { [changeHub] keys in
                for hash in keys.map(Hash128.init) { memory.shard(hash).remove(hash) }
                registry.doubtRemovals(keys)
                changeHub.changedElsewhere(keys)
            },
            lost: { [counters, changeHub] in
                unverified.everything()
                memory.unverifyAll()
                registry.doubtAllRemovals()
                changeHub.everything()
                counters.gaps.count()
            },
            hashingKey: { keyHasher.hash($0) }
        ) { key, bytes throws(CacheError) in
            let policy = registry.policy(for: key)
            let form = try sealer.recognise(bytes, key: key, mode: policy.mode)
            return RemoteValue(
                mode: policy.mode, form: form, timeToLive: policy.ttl, keepsStale: policy.loading.keepsStale)
        }
        registry.opened(hasStores: stores.local != nil || stores.remote != nil)
        self.local = stores.local
        self.remote = stores.remote
        self.synchronizer = stores.synchronizer
        self.lifecycle = CacheLifecycle(seen: stores.lastSequence)
    }

    /// A typed handle for the keys `{name}:...`.
    ///
    /// A name that is not allowed, or was declared otherwise before, is reported by every call on the handle, so that handles
    /// can be declared where throwing is unwelcome.
    ///
    /// - Parameters:
    ///   - ttl: How long values live; the configuration's default where left out.
    ///   - mode: Native, or interop to share values with other CacheKit SDKs.
    ///   - loading: How values are loaded, refreshed, and served when no new one is to be had; the configuration's where left out.
    public func namespace<Value: Codable & Sendable>(
        _ name: String, of type: Value.Type = Value.self, ttl: Duration? = nil, mode: NamespaceMode = .native,
        loading: LoadingPolicy? = nil
    ) -> Namespace<Value> {
        let policy = NamespacePolicy(
            mode: mode, ttl: ttl ?? configuration.defaultTTL, loading: loading ?? inheritedLoading(mode))
        return Namespace(cache: self, name: name, policy: policy, codec: Self.codec(for: type))
    }

    /// The configuration's policy. Interop mode has no room for a limit, and without one lives that slide might never end: there
    /// they do not slide.
    private func inheritedLoading(_ mode: NamespaceMode) -> LoadingPolicy {
        var loading = configuration.loading
        if mode == .interop, loading.slidingLimit != nil {
            loading.isSliding = false
            loading.slidingLimit = nil
        }
        return loading
    }

    /// A typed handle for physical keys that a declared namespace has.
    func values<Value: Codable & Sendable>(of type: Value.Type, in state: NamespaceState) -> Namespace<Value> {
        Namespace(cache: self, codec: Self.codec(for: type), in: state)
    }

    /// A typed handle for physical keys, whatever namespace they are in.
    public func values<Value: Codable & Sendable>(of type: Value.Type = Value.self) -> Namespace<Value> {
        Namespace(cache: self, codec: Self.codec(for: type))
    }

    /// A handle for raw bytes under physical keys.
    public var bytes: Namespace<[UInt8]> { Namespace(cache: self, codec: .bytes) }

    /// A handle for documents of any shape under physical keys.
    public var documents: Namespace<MessagePackValue> { Namespace(cache: self, codec: .document) }

    /// Bytes and trees have codecs of their own; every other type goes through `Codable`.
    private static func codec<Value: Codable & Sendable>(for type: Value.Type) -> ValueCodec<Value> {
        if let bytes = ValueCodec<[UInt8]>.bytes as? ValueCodec<Value> { return bytes }
        if let document = ValueCodec<MessagePackValue>.document as? ValueCodec<Value> { return document }
        return .codable
    }

    /// What memory holds for a key, sealed and not copied: no lower tier is asked, no value opened.
    ///
    /// Complexity: O(1). Waits only while something is written to the same part of memory, not for other readers.
    public func memoryEntry(for key: CacheKey) -> MemoryEntry? {
        let hash = Hash128(key)
        return memory.entry(hash, now: clock.now())
    }
}

/// A read of the remote is shared by callers between whose questions no write of the key ended: who comes after a write
/// must not be answered from before it.
struct RemoteReadKey: Hashable {
    let hash: Hash128
    let ticket: MemoryTier.Shard.Ticket
}

/// A load is shared by callers who want the same type of the same key.
struct LoadKey: Hashable {
    let hash: Hash128
    let type: ObjectIdentifier
    /// Who comes after a removal must not be given what began to load before it.
    var generation: UInt64 = 0
    /// Nor who comes after a write of the key.
    var writeMark: UInt32 = 0
}
