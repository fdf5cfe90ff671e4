import CacheKitCore
import Synchronization

/// What the last write failed with, until one succeeds.
final class WriteFailure: Sendable {
    /// Older than that, it says only that nobody has written since.
    static let memory: Duration = .seconds(60)

    private let isNoted = Atomic(false)
    /// A refusal may be of one key: that it is of all takes so many in a row.
    private static let refusals = 3
    private let state = Mutex<(error: CacheError, time: Timestamp, count: Int)?>(nil)

    /// Notes an error that any write would meet, not one of the value or the key.
    func note(_ error: CacheError, at time: Timestamp) {
        guard error.failsWrites else { return }
        state.withLock { $0 = (error, time, ($0?.count ?? 0) + 1) }
        isNoted.store(true, ordering: .releasing)
    }

    /// A write has succeeded; costs one atomic load where none had failed.
    func ends() {
        guard isNoted.load(ordering: .acquiring) else { return }
        isNoted.store(false, ordering: .releasing)
        state.withLock { $0 = nil }
    }

    func error(at now: Timestamp) -> CacheError? {
        state.withLock { state in
            guard let (error, time, count) = state, time.advanced(by: Self.memory) > now else { return nil }
            return error.code == .remoteAuthentication && count < Self.refusals ? nil : error
        }
    }
}

extension CacheError {
    fileprivate var failsWrites: Bool {
        switch code {
        case .damagedStore, .remoteAuthentication: true
        case .storeBusy, .notApplied: false
        default: isStorageTrouble
        }
    }
}
