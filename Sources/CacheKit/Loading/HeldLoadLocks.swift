import CacheKitCore
import Synchronization

/// The locks that one load holds, each given back once, by whoever comes first: the load that ends, or its cancellation.
final class HeldLoadLocks: Sendable {
    private struct Remote {
        let lock: RemoteLock
        /// Begins the lease anew while the load runs.
        let renewal: Task<Void, Never>

        @Sendable func released() async {
            renewal.cancel()
            await lock.release()
        }
    }

    private struct State {
        var isOver = false
        var file: (any LoadLock)?
        var remote: Remote?
    }

    private let state = Mutex(State())
    private let returns: LockReturns

    init(_ returns: LockReturns) {
        self.returns = returns
    }

    /// Whether any is held.
    var isAny: Bool { state.withLock { $0.file != nil || $0.remote != nil } }

    /// Takes a lock in; after a cancellation it is given back at once.
    func keep(_ lock: any LoadLock) {
        let isOver = state.withLock { state in
            if !state.isOver { state.file = lock }
            return state.isOver
        }
        if isOver { lock.release() }
    }

    /// Takes a lock of the remote in, which is held until that moment and renewed from now on.
    func keep(_ lock: RemoteLock, until: ContinuousClock.Instant) {
        let remote = Remote(lock: lock, renewal: lock.renewing(from: until))
        let isOver = state.withLock { state in
            if !state.isOver { state.remote = remote }
            return state.isOver
        }
        if isOver { returns.start(remote.released) }
    }

    /// Gives all back. With `isSeen`, the remote's goes once that has returned, and nobody waits for it.
    func giveBack(onceSeen isSeen: (@Sendable () async -> Void)? = nil) async {
        guard let release = end() else { return }
        guard let isSeen else { return await release() }
        returns.start {
            await isSeen()
            await release()
        }
    }

    /// Gives all back without waiting for the remote's answer.
    func giveBackAtOnce() {
        if let release = end() { returns.start(release) }
    }

    /// Gives the file's lock back, and what gives back the remote's, if there is one.
    func end() -> (@Sendable () async -> Void)? {
        let (file, remote) = state.withLock { state in
            state.isOver = true
            defer { (state.file, state.remote) = (nil, nil) }
            return (state.file, state.remote)
        }
        file?.release()
        return remote?.released
    }
}
