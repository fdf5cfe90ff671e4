import Synchronization

/// Lets one task at a time through, in order of arrival; waiting does not block a thread.
final class AsyncTurn: Sendable {
    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var isTaken = false
        var waiting: [Waiter] = []
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// How many tasks wait for their turn.
    var waiterCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `body` when its turn has come; gives `nil`, without running it, to a task that is cancelled before.
    func take<Result: Sendable>(_ body: @Sendable () async -> Result) async -> Result? {
        guard await acquire() else { return nil }
        defer { pass() }
        return await body()
    }

    private func acquire() async -> Bool {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome = state.withLock { state -> Bool? in
                    if Task.isCancelled { return false }
                    if state.isTaken {
                        state.waiting.append(Waiter(id: id, continuation: continuation))
                        return nil
                    }
                    state.isTaken = true
                    return true
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiting.remove(at: index)
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    private func pass() {
        let next = state.withLock { state -> Waiter? in
            guard !state.waiting.isEmpty else {
                state.isTaken = false
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.continuation.resume(returning: true)
    }
}
