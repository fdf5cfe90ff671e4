import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A remote that counts what it is asked, and says of itself what a test wants.
final class WatchedRemote: ForwardingRemoteStore {
    private struct State {
        var surveys = 0
        var comparisons = 0
        var evictsRecords: Bool?
        var surveyHook: (@Sendable () -> Void)?
    }

    let base: SimulatedRemoteStore
    private let state = Mutex(State())

    init(_ remote: SimulatedRemoteStore) { base = remote }

    var surveys: Int { state.withLock { $0.surveys } }
    /// How often marks were asked for.
    var comparisons: Int { state.withLock { $0.comparisons } }
    func setEvictsRecords(_ evicts: Bool?) { state.withLock { $0.evictsRecords = evicts } }
    /// Runs while the answer to a survey is on its way.
    func setSurveyHook(_ hook: (@Sendable () -> Void)?) { state.withLock { $0.surveyHook = hook } }

    func survey() async throws(CacheError) -> RemoteSurvey {
        var survey = try await base.survey()
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
        return try await base.marks(of: node, in: buckets)
    }
}
