import Synchronization

/// Locks on their way back to the remote, which nobody waits for until the cache is shut down.
final class LockReturns: Sendable {
    private struct State {
        var running: [UInt64: Task<Void, Never>] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// How many are on their way: at most one for each load of the last two seconds, and what a command may take.
    var count: Int { state.withLock { $0.running.count } }

    /// Gives one back; `body` hears a cancellation, which asks it to wait for nothing more.
    func start(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            state.nextID += 1
            let id = state.nextID
            state.running[id] = Task {
                await body()
                self.state.withLock { $0.running[id] = nil }
            }
        }
    }

    /// Gives back at once what is still kept, and waits for that.
    func finish() async {
        let running = state.withLock { Array($0.running.values) }
        for task in running { task.cancel() }
        for task in running { await task.value }
    }
}
