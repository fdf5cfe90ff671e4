public import CacheKit
public import CacheKitCore

/// A remote store before another one: a test's store says what it does otherwise, the rest is passed on.
public protocol ForwardingRemoteStore: RemoteStore {
    /// What the store behind it is.
    associatedtype Base: RemoteStore
    /// The store behind it.
    var base: Base { get }
    /// Every call that is passed on goes through here.
    func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result
}

extension ForwardingRemoteStore {
    /// Nothing more.
    public func passing<Result>(
        _ call: StoreCalls, _ body: () async throws(CacheError) -> Result
    ) async throws(CacheError) -> Result { try await body() }

    /// As the store behind it.
    public var bucketCount: Int { base.bucketCount }
    /// As the store behind it.
    public func bucket(of key: CacheKey) -> Int { base.bucket(of: key) }
    /// As the store behind it.
    public func shard(of bucket: Int) -> Int? { base.shard(of: bucket) }
    /// As the store behind it.
    public var following: RemoteFollowing { base.following }
    /// As the store behind it.
    public var warnings: [String] { base.warnings }
    /// As the store behind it.
    public var breaker: RemoteBreaker { base.breaker }
    /// As the store behind it.
    public func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async { await base.follow(body) }
    /// As the store behind it.
    public func close() async { await base.close() }
    /// As the store behind it.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.read(keys)
        }
    }
    /// As the store behind it.
    public func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.contains(keys)
        }
    }
    /// As the store behind it.
    public func keys(
        withPrefix prefix: String, after cursor: RemoteKeyCursor?
    ) async throws(CacheError) -> RemoteKeyPage {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.keys(withPrefix: prefix, after: cursor)
        }
    }
    /// As the store behind it.
    public func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.write(writes)
        }
    }
    /// As the store behind it.
    public func ping() async throws(CacheError) {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.ping()
        }
    }
    /// As the store behind it.
    public func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.push(pushes)
        }
    }
    /// As the store behind it.
    public func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try await passing(.upkeep) { () async throws(CacheError) in
            try await base.marks(of: node, in: buckets)
        }
    }
    /// As the store behind it.
    public func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.inspect(keys)
        }
    }
    /// As the store behind it.
    public func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.glance(keys)
        }
    }
    /// As the store behind it.
    public func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] {
        try await passing(.reads) { () async throws(CacheError) in
            try await base.trace(keys)
        }
    }
    /// As the store behind it.
    public func survey() async throws(CacheError) -> RemoteSurvey {
        try await passing(.upkeep) { () async throws(CacheError) in
            try await base.survey()
        }
    }
    /// As the store behind it.
    public func sweep(
        bucket: Int, from cursor: UInt64, endedBefore time: Timestamp
    ) async throws(CacheError) -> SweepStep {
        try await passing(.upkeep) { () async throws(CacheError) in
            try await base.sweep(bucket: bucket, from: cursor, endedBefore: time)
        }
    }
    /// As the store behind it.
    public func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] {
        try await passing(.upkeep) { () async throws(CacheError) in
            try await base.fence(note)
        }
    }
}

extension ForwardingRemoteStore where Base: RemoteLocking {
    /// As the store behind it.
    public func acquireLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.acquireLock(of: key, token, lease: lease)
        }
    }
    /// As the store behind it.
    public func renewLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.renewLock(of: key, token, lease: lease)
        }
    }
    /// As the store behind it.
    public func releaseLock(of key: CacheKey, _ token: LockToken) async throws(CacheError) -> Bool {
        try await passing(.writes) { () async throws(CacheError) in
            try await base.releaseLock(of: key, token)
        }
    }
}
