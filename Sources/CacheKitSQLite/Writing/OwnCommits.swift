internal import Synchronization

/// Tells changes that this store committed from those of others.
///
/// All processes draw sequences from one clock in the file, each in a transaction that excludes the others. So what lies
/// between this store's last change and what its next transaction finds came from elsewhere, and so does what lies above.
final class OwnCommits: Sendable {
    private struct State {
        /// The last change that this store committed.
        var last: UInt64
        /// The last one below it that it did not.
        var lastForeign: UInt64 = 0
    }

    private let state: Mutex<State>

    /// - Parameter sequence: The last change when the file was opened.
    init(after sequence: UInt64) {
        state = Mutex(State(last: sequence))
    }

    /// Notes a commit before its callers hear of it: what the transaction found as the last change, and what it made so.
    ///
    /// - Returns: How many changes others made since this store's last one.
    @discardableResult
    func note(found: UInt64, last: UInt64) -> UInt64 {
        state.withLock { state in
            let foreign = found > state.last ? found - state.last : 0
            if foreign > 0 { state.lastForeign = found }
            state.last = max(state.last, last)
            return foreign
        }
    }

    /// The last change of another, given the last change in the file.
    func lastForeign(upTo sequence: UInt64) -> UInt64 {
        state.withLock { sequence > $0.last ? sequence : $0.lastForeign }
    }
}
