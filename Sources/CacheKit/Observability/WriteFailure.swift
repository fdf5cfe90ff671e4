import CacheKitCore
import Synchronization

/// What the last write failed with, until one succeeds.
final class WriteFailure: Sendable {
    /// Older than that, it says only that nobody has written since.
    static let memory: Duration = .seconds(60)

    private let isNoted = Atomic(false)
    private let state = Mutex<(error: CacheError, time: Timestamp)?>(nil)

    /// Notes an error that any write would meet, not one of the value or the key.
    func note(_ error: CacheError, at time: Timestamp) {
        guard error.failsWrites else { return }
        state.withLock { $0 = (error, time) }
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
            state.flatMap { $0.time.advanced(by: Self.memory) > now ? $0.error : nil }
        }
    }
}

extension CacheError {
    fileprivate var failsWrites: Bool {
        switch code {
        case .damagedStore, .remoteAuthentication: true
        case .storeBusy: false
        default: isStorageTrouble
        }
    }
}
