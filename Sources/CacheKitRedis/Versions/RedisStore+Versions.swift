public import CacheKit
public import CacheKitCore
internal import Synchronization

/// Versions beside plain keys: what the buckets hold and what decides is in docs/sync.md.
///
/// A user with ACL rules needs, beside `read` and `write` on the cache's keys and on `ckv:*`: `EVAL`, `EVALSHA`, `HMGET`, `HSET`,
/// `HGET`, `HDEL`, `HSCAN`, `SET`, `DEL`, `GETRANGE`, `STRLEN`, `MGET`, `PTTL`, `MULTI`, `EXEC`, `TIME`; `INFO` to hear of
/// eviction; `SCAN` to list keys; for namespaces with one writer also `INFO`, `CLIENT|ID` and `CLIENT|KILL`.
extension RedisStore {
    /// 256 on one server, one for each slot of a Cluster.
    public var bucketCount: Int { buckets.count }

    /// By CRC-16 of the key; in a Cluster its slot.
    public func bucket(of key: CacheKey) -> Int { buckets.bucket(of: key) }

    /// Weighs and applies each push by one call of a script.
    ///
    /// - Throws: ``CacheError/Code/mayHaveBeenApplied`` when any may have been and nothing is known of any,
    ///   ``CacheError/Code/remoteUnavailable`` when none was sent.
    public func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        var call = PushCall(pushes, over: topology, buckets)
        return try await call.run()
    }

    /// In a Cluster the master of the bucket's slot, as far as the map of slots is known.
    public func shard(of bucket: Int) -> Int? { topology.shard(of: bucket) }

    /// The marks of a node, from masters only.
    public func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try await topology.perform(MarksOperation(buckets: self.buckets, node: node), buckets)
    }

    /// Value, remaining life and record of each key, from masters only, each in one transaction.
    public func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] {
        try await topology.perform(InspectOperation(buckets: buckets), keys)
    }

    /// Last bytes and remaining life of each value, from masters only, by `GETRANGE` and `PTTL`.
    public func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] {
        try await topology.perform(GlanceOperation(), keys)
    }

    /// Last bytes and record of each key, from masters only, by `GETRANGE` and `HMGET`.
    public func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] {
        try await topology.perform(TraceOperation(buckets: buckets), keys)
    }

    /// A master's `TIME`, and whether any of those asked so far may evict keys without an expiry.
    public func survey() async throws(CacheError) -> RemoteSurvey { try await surveyor.survey(topology) }

    /// Removes ended records by one `HSCAN`.
    public func sweep(
        bucket: Int, from cursor: UInt64, endedBefore time: Timestamp
    ) async throws(CacheError) -> SweepStep {
        try await RecordSweep(store: self, name: buckets.name(bucket)).step(from: cursor, endedBefore: time)
    }

    /// Ends earlier connections by `CLIENT KILL ID`, only on a server that has not been started again since. From then on this
    /// store writes over noted connections only: over one made since, ``write(_:)`` fails with
    /// ``CacheError/Code/remoteUnavailable`` before anything is sent, until this is called again.
    public func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] {
        isFenced.store(true, ordering: .relaxed)
        let old = note.map { ConnectionNote(bytes: $0) } ?? ConnectionNote()
        return try await ConnectionFence(topology: topology).end(old).bytes
    }

    var buckets: Buckets { Buckets(hasOneServer: topology.hasOneServer) }
}
