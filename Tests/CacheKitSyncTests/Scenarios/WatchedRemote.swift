import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A remote that counts what it is asked, and says of itself what a test wants.
final class WatchedRemote: RemoteStore {
    private struct State {
        var surveys = 0
        var comparisons = 0
        var evictsRecords: Bool?
        var surveyHook: (@Sendable () -> Void)?
    }

    private let remote: SimulatedRemoteStore
    private let state = Mutex(State())

    init(_ remote: SimulatedRemoteStore) { self.remote = remote }

    var surveys: Int { state.withLock { $0.surveys } }
    /// How often marks were asked for.
    var comparisons: Int { state.withLock { $0.comparisons } }
    func setEvictsRecords(_ evicts: Bool?) { state.withLock { $0.evictsRecords = evicts } }
    /// Runs while the answer to a survey is on its way.
    func setSurveyHook(_ hook: (@Sendable () -> Void)?) { state.withLock { $0.surveyHook = hook } }

    func survey() async throws(CacheError) -> RemoteSurvey {
        var survey = try await remote.survey()
        let hook = state.withLock { state in
            state.surveys += 1
            survey.evictsRecords = state.evictsRecords
            return state.surveyHook
        }
        hook?()
        return survey
    }

    func marks(of node: UInt64, in buckets: [Int]) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        state.withLock { $0.comparisons += 1 }
        return try await remote.marks(of: node, in: buckets)
    }

    var bucketCount: Int { remote.bucketCount }
    func bucket(of key: CacheKey) -> Int { remote.bucket(of: key) }
    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] { try await remote.push(pushes) }
    func inspect(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteView] { try await remote.inspect(keys) }
    func glance(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteGlance] { try await remote.glance(keys) }
    func trace(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteTrace] { try await remote.trace(keys) }
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
    func ping() async throws(CacheError) { try await remote.ping() }
    func close() async { await remote.close() }
}
