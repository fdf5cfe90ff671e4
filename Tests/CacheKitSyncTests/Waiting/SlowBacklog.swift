import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A store that answers all questions about its backlog at once, when it is told to.
final class SlowBacklog: ForwardingStore {
    let base: SimulatedLocalStore
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    init(_ store: SimulatedLocalStore) {
        base = store
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
        return try await base.backlog()
    }
}
