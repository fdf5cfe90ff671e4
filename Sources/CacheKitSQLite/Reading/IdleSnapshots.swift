internal import Synchronization

/// Ends the snapshots of readers that rest, on a thread of its own: a kept one keeps the log from beginning anew.
///
/// The thread looks every 25 ms while any snapshot is kept, and ends those that no read used since its last look, so 25 to
/// 50 ms after their last use. While none is kept, it sleeps without waking up.
final class IdleSnapshots: Sendable {
    private static let milliseconds = 25

    private let isClosed = ConditionLock(false)
    /// Whether the thread looks, or is about to.
    private let isWatching = Atomic(false)

    /// - Parameter endIdle: Ends what rests; `true` if a snapshot is still kept.
    /// - Returns: `nil` when the system gives no thread.
    static func watch(_ endIdle: @escaping @Sendable () -> Bool) -> IdleSnapshots? {
        let watch = IdleSnapshots()
        return SystemThread.start { watch.run(endIdle) } ? watch : nil
    }

    private func run(_ endIdle: () -> Bool) {
        while true {
            let isClosed = isClosed.withLock(
                waitingWhile: { !$0 && !isWatching.load(ordering: .sequentiallyConsistent) }, { $0 })
            if isClosed { return }
            self.isClosed.wait(atMost: .milliseconds(Self.milliseconds), while: { !$0 })
            // First: a snapshot that begins after its reader was looked at says so again.
            isWatching.store(false, ordering: .sequentiallyConsistent)
            if endIdle() { isWatching.store(true, ordering: .sequentiallyConsistent) }
        }
    }

    /// Says that a snapshot is kept; called with its reader's lock held.
    func noteKept() {
        guard !isWatching.load(ordering: .sequentiallyConsistent) else { return }
        isWatching.store(true, ordering: .sequentiallyConsistent)
        isClosed.withLock { _ in }
    }

    /// Ends the thread.
    func close() { isClosed.withLock { $0 = true } }
}
