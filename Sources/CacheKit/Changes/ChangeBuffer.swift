import Synchronization

/// What changed and was not taken yet: bounded; what does not fit becomes ``NamespaceChange/everything``.
final class ChangeBuffer: Sendable {
    private struct State {
        var changes: [NamespaceChange] = []
        /// Taken from the front of `changes`.
        var taken = 0
        var waiters: [UInt64: CheckedContinuation<NamespaceChange?, Never>] = [:]
        var nextID: UInt64 = 0
        var isFinished = false

        mutating func take(_ capacity: Int) -> NamespaceChange? {
            guard taken < changes.count else { return nil }
            defer {
                taken += 1
                // Also where the listener never quite catches up.
                if taken == changes.count || taken >= capacity {
                    changes.removeFirst(taken)
                    taken = 0
                }
            }
            return changes[taken]
        }
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) {
        self.capacity = max(1, capacity)
    }

    /// Changes that take up room, those included that were just taken: less than twice the capacity.
    var heldCount: Int { state.withLock { $0.changes.count } }

    func add(_ change: NamespaceChange) {
        let waiter = state.withLock { state -> CheckedContinuation<NamespaceChange?, Never>? in
            guard !state.isFinished else { return nil }
            if let id = state.waiters.keys.first { return state.waiters.removeValue(forKey: id) }
            if change == .everything {
                // Nothing that was told before says more.
                (state.changes, state.taken) = ([.everything], 0)
            } else if state.changes.count - state.taken >= capacity {
                (state.changes, state.taken) = ([.everything], 0)
            } else {
                state.changes.append(change)
            }
            return nil
        }
        waiter?.resume(returning: change)
    }

    /// The next change; `nil` after the last one, and when the task is cancelled.
    func next() async -> NamespaceChange? {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> NamespaceChange?? in
                    if Task.isCancelled { return .some(nil) }
                    if let change = state.take(capacity) { return change }
                    if state.isFinished { return .some(nil) }
                    state.waiters[id] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(returning: nil)
        }
    }

    /// Nothing more comes; what is kept can still be taken.
    func finish() {
        let waiters = state.withLock { state in
            state.isFinished = true
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume(returning: nil) }
    }
}
