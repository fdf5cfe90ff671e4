import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A store that answers all questions about its backlog at once, when it is told to.
final class SlowBacklog: LocalStore {
    private let store: SimulatedLocalStore
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    init(_ store: SimulatedLocalStore) {
        self.store = store
    }

    /// How many ask.
    var asking: Int { waiting.withLock { $0.count } }

    func answer() {
        let asked = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        for continuation in asked { continuation.resume() }
    }

    func backlog() async throws(CacheError) -> Backlog {
        await withCheckedContinuation { continuation in waiting.withLock { $0.append(continuation) } }
        return try await store.backlog()
    }

    func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try await store.changes(after: after, origin: origin, limit: limit, byteLimit: byteLimit)
    }

    func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?] { try await store.read(keys) }
    func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence] {
        try await store.commit(changes)
    }
    func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool] { try await store.fill(fills) }
    func changedKeys(after: ChangeSequence, limit: Int) async throws(CacheError) -> ChangedKeys {
        try await store.changedKeys(after: after, limit: limit)
    }
    func lastSequence() async throws(CacheError) -> ChangeSequence { try await store.lastSequence() }
    func watermark() async throws(CacheError) -> ChangeSequence { try await store.watermark() }
    func settle(_ settlement: Settlement) async throws(CacheError) { try await store.settle(settlement) }
    func sendingState() async throws(CacheError) -> SendingState { try await store.sendingState() }
    func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError) {
        try await store.beginSending(through: sequence, fence: fence)
    }
    func settledChanges(
        after: ChangeSequence, through: ChangeSequence, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change] {
        try await store.settledChanges(after: after, through: through, limit: limit, byteLimit: byteLimit)
    }
    func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool] {
        try await store.resolve(resolutions)
    }
    func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?] {
        try await store.restamp(stamps, at: now)
    }
    func reidentify() async throws(CacheError) -> UInt64 { try await store.reidentify() }
    func hasForeignCommits() async throws(CacheError) -> Bool { try await store.hasForeignCommits() }
    func maintain() async throws(CacheError) -> Bool { try await store.maintain() }
    func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep {
        try await store.rows(sealedUnderOtherThan: fingerprint, after: cursor, limit: limit, byteLimit: byteLimit)
    }
    func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool] { try await store.reseal(values) }
    func acquirePusherLease() async throws(CacheError) -> (any PusherLease)? { try await store.acquirePusherLease() }
    func statistics() async throws(CacheError) -> LocalStoreStatistics { try await store.statistics() }
    func close() async { await store.close() }
}
