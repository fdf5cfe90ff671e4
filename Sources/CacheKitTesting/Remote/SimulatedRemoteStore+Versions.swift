public import CacheKit
public import CacheKitCore

extension SimulatedRemoteStore {
    /// Few, so that keys meet in them.
    public var bucketCount: Int { 16 }

    /// By the bytes of the key.
    public func bucket(of key: CacheKey) -> Int {
        key.string.utf8.reduce(7) { ($0 &* 31 &+ Int($1)) & 0xFFFF } % bucketCount
    }

    /// Weighs and applies writes, as docs/sync.md says.
    public func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        try await writing { held, refused, now in
            pushes.map { push in
                var weighed = push
                weighed.writes = push.writes.filter { refused[$0.key] == nil }
                guard case .weighed(let mark, var verdicts) = held.push(weighed, at: now) else {
                    return .failed(Self.fault)
                }
                for (index, write) in push.writes.enumerated() {
                    if let refusal = refused[write.key] { verdicts.insert(.failed(refusal), at: index) }
                }
                return .weighed(mark: mark, verdicts: verdicts)
            }
        }
    }

    private static var fault: CacheError { CacheError(.internalFault, "the model gave no verdicts") }

    /// The marks of a node.
    public func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try await asking { held, _ in buckets.map { .success(held.buckets[$0]?.marks[node]) } }
    }

    /// Value, life and record of each key.
    public func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] {
        try await reading(keys) { held, now in
            keys.map { key in
                RemoteView(
                    entry: held.entry(key, at: now), record: held.buckets[self.bucket(of: key)]?.records[key],
                    isOfOtherType: held.live(key, at: now).map { $0.value == nil } ?? false)
            }
        }
    }

    /// Last bytes and life of each value.
    public func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] {
        try await reading(keys) { held, now in
            keys.map { key in
                let entry = held.entry(key, at: now)
                return RemoteGlance(
                    tail: entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) }, remaining: entry?.remaining)
            }
        }
    }

    /// Last bytes and record of each value.
    public func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] {
        try await inspect(keys).map { view in
            RemoteTrace(
                tail: view.entry.flatMap { ValueFingerprint(bytes: $0.value.suffix(16)) },
                hasValue: view.entry != nil, record: view.record)
        }
    }

    /// The clock that the store was given.
    public func survey() async throws(CacheError) -> RemoteSurvey {
        try await asking { _, now in RemoteSurvey(time: now, evictsRecords: false) }
    }

    /// Removes ended records, a bucket at a time.
    public func sweep(
        bucket: Int, from cursor: UInt64, endedBefore time: Timestamp
    ) async throws(CacheError) -> SweepStep {
        try await changing { held, _ in SweepStep(next: 0, removed: held.sweep(bucket: bucket, endedBefore: time)) }
    }

    /// There are no connections.
    public func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] { try await asking { _, _ in [1] } }
}
