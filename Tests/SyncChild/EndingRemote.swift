import CacheKit
import CacheKitCore
import CacheKitRedis
import Foundation

/// A remote that ends the process at a step, or says when a batch is about to be sent.
final class EndingRemote: RemoteStore {
    private let base: RedisStore
    private let step: Step

    init(_ base: RedisStore, _ step: Step) {
        self.base = base
        self.step = step
    }

    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        if step == .sending { say("sending") }
        let answers = try await base.push(pushes)
        step.reached(.answered)
        return answers
    }

    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        if step == .sending { say("sending") }
        return try await base.write(writes)
    }

    var bucketCount: Int { base.bucketCount }
    func bucket(of key: CacheKey) -> Int { base.bucket(of: key) }
    func shard(of bucket: Int) -> Int? { base.shard(of: bucket) }
    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try await base.marks(of: node, in: buckets)
    }
    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] { try await base.inspect(keys) }
    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] { try await base.glance(keys) }
    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] { try await base.trace(keys) }
    func survey() async throws(CacheError) -> RemoteSurvey { try await base.survey() }
    func sweep(bucket: Int, from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep {
        try await base.sweep(bucket: bucket, from: cursor, endedBefore: time)
    }
    func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] { try await base.fence(note) }
    func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] { try await base.read(keys) }
    func keys(withPrefix prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage {
        try await base.keys(withPrefix: prefix, after: cursor)
    }
    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] { try await base.contains(keys) }
    func ping() async throws(CacheError) { try await base.ping() }
    func close() async { await base.close() }
}

/// Opens one.
struct EndingRemoteProvider: RemoteStoreProvider {
    let configuration: RedisConfiguration
    let step: Step

    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)? {
        EndingRemote(try RedisStore(configuration, context: context), step)
    }
}
