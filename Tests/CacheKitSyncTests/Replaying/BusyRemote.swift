import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization

/// A remote at which something else happens just before a push arrives, and that does not take too many changes at a time.
final class BusyRemote: ForwardingRemoteStore {
    private struct State {
        var hook: (@Sendable () async -> Void)?
        var most = Int.max
        var pushed: [Int] = []
    }

    let base: SimulatedRemoteStore
    private let state = Mutex(State())

    init(_ remote: SimulatedRemoteStore) { base = remote }

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
        return try await base.push(pushes)
    }
}
