import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A remote at which something else happens just before a push arrives, and that does not take too many changes at a time.
final class BusyRemote: RemoteStore {
    private struct State {
        var hook: (@Sendable () async -> Void)?
        var most = Int.max
        var pushed: [Int] = []
    }

    private let remote: SimulatedRemoteStore
    private let state = Mutex(State())

    init(_ remote: SimulatedRemoteStore) { self.remote = remote }

    /// Runs once, before the next push; `nil` for nothing.
    func beforeNextPush(_ hook: (@Sendable () async -> Void)?) { state.withLock { $0.hook = hook } }
    /// More changes than these are not answered in time.
    func setMost(_ most: Int) { state.withLock { $0.most = most } }
    /// How many changes each push had.
    var pushed: [Int] { state.withLock { $0.pushed } }

    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        let hook = state.withLock { state in
            defer { state.hook = nil }
            return state.hook
        }
        await hook?()
        // As a connection does: what is cancelled while it is on its way has no known outcome.
        if Task.isCancelled { throw CacheError(.cancelled, "the call was cancelled") }
        let count = pushes.reduce(0) { $0 + $1.writes.count }
        let isTooMuch = state.withLock { state in
            state.pushed.append(count)
            return count > state.most
        }
        if isTooMuch { throw CacheError(.remoteTimeout, "no answer came in time") }
        return try await remote.push(pushes)
    }

    var bucketCount: Int { remote.bucketCount }
    func bucket(of key: CacheKey) -> Int { remote.bucket(of: key) }
    func survey() async throws(CacheError) -> RemoteSurvey { try await remote.survey() }
    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        try await remote.marks(of: node, in: buckets)
    }
    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] { try await remote.glance(keys) }
    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] { try await remote.inspect(keys) }
    func sweep(bucket: Int, from cursor: UInt64, endedBefore time: Timestamp) async throws(CacheError) -> SweepStep {
        try await remote.sweep(bucket: bucket, from: cursor, endedBefore: time)
    }
    func fence(_ note: [UInt8]?) async throws(CacheError) -> [UInt8] { try await remote.fence(note) }
    func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] { try await remote.read(keys) }
    func keys(withPrefix prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage {
        try await remote.keys(withPrefix: prefix, after: cursor)
    }
    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] { try await remote.contains(keys) }
    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        try await remote.write(writes)
    }
    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] { try await remote.trace(keys) }
    func ping() async throws(CacheError) { try await remote.ping() }
    func close() async { await remote.close() }
}
