public import CacheKitCore

/// The part of a remote that the sync engine needs: versions in buckets beside plain keys and values.
///
/// What a bucket decides, and in which order, is in docs/sync.md, "Verdicts".
public protocol VersionedRemote: Sendable {
    /// How many buckets there are; the same for every node of one remote.
    var bucketCount: Int { get }

    /// The bucket that a key lies in, below ``bucketCount``.
    func bucket(of key: CacheKey) -> Int

    /// What a bucket fails with, any number: all buckets that have it are on one server now. `nil` where one server has all, and
    /// as long as it is not known.
    func shard(of bucket: Int) -> Int?

    /// Weighs and applies writes, each push in one step and all in the order given, pipelined; one answer for each.
    ///
    /// - Throws: when nothing is known of any.
    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer]

    /// The marks of a node in some buckets, in order; `nil` where there is none, and an error where the bucket's shard is away.
    ///
    /// - Throws: when nothing is known of any.
    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>]

    /// Value, remaining life and record of each key, each read at one moment.
    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView]

    /// Last bytes and remaining life of each key's value, in order: one round trip that carries no values. They are not read
    /// at one moment.
    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance]

    /// Last bytes and record of each key, in order: what ``glance(_:)`` gives, with the version in the place of the life.
    /// Keys of one bucket beside each other cost least.
    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace]

    /// The remote's time, and what it says of itself.
    func survey() async throws(CacheError) -> RemoteSurvey

    /// Removes records of a bucket whose end lies before `time`: one bounded step from a place on, 0 for the first.
    func sweep(bucket: Int, from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep

    /// Ends the connections that a note names, if they are still there, so that nothing buffered on them lands later, and
    /// gives the note of those that this store uses now.
    ///
    /// - Parameter note: opaque bytes of an earlier call, perhaps of another process; `nil` for none.
    func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8]
}

extension VersionedRemote {
    /// One server has all.
    public func shard(of bucket: Int) -> Int? { nil }
}

/// What a remote says of itself.
public struct RemoteSurvey: Sendable, Equatable {
    /// Its clock.
    public var time: Timestamp
    /// Whether it may evict keys that never expire, such as buckets; `nil` if it does not say.
    public var evictsRecords: Bool?

    /// What a remote says of itself.
    public init(time: Timestamp, evictsRecords: Bool?) {
        self.time = time
        self.evictsRecords = evictsRecords
    }
}

/// One step of a sweep.
public struct SweepStep: Sendable, Equatable {
    /// Where the next step begins; 0 when the bucket is done.
    public var next: UInt64
    /// Records removed.
    public var removed: Int

    /// One step of a sweep.
    public init(next: UInt64, removed: Int) {
        self.next = next
        self.removed = removed
    }
}
