internal import CacheKitCore

/// Moves the log into the database on a thread and a connection of its own, so that no write waits for it.
///
/// Writers go on meanwhile (https://www.sqlite.org/wal.html#concurrency); what they add is left for the next time. Only the
/// writer thread lets the log begin anew, when little is left to move.
final class Checkpointer: Sendable {
    private enum Phase {
        case resting, asked, running, closed, ended
    }

    private let phase = ConditionLock(Phase.resting)

    /// - Returns: `nil` when the system gives no thread; then the writer thread does all of it.
    init?(_ configuration: SQLiteConfiguration) {
        let phase = self.phase
        let isStarted = SystemThread.start {
            var connection: SQLiteConnection?
            while true {
                let goesOn = phase.withLock(waitingWhile: { $0 == .resting }) { phase in
                    guard phase == .asked else { return false }
                    phase = .running
                    return true
                }
                guard goesOn else { break }
                // A failure costs space in the log only, and the next time tries again.
                if connection == nil { connection = try? SQLiteConnection(configuration) }
                _ = try? connection?.checkpoint(.passive)
                phase.withLockWakingAll { if $0 == .running { $0 = .resting } }
            }
            connection = nil
            phase.withLockWakingAll { $0 = .ended }
        }
        guard isStarted else { return nil }
    }

    /// Whether it is at work or about to be.
    var isBusy: Bool { phase.withLock { $0 == .asked || $0 == .running } }

    /// Asks for what is in the log to be moved.
    func ask() { phase.withLockWakingAll { if $0 == .resting { $0 = .asked } } }

    /// Waits for what it is doing.
    func finish() { phase.withLock(waitingWhile: { $0 == .asked || $0 == .running }) { _ in } }

    /// Ends the thread and waits for what it was doing.
    func close() {
        phase.withLockWakingAll { if $0 != .ended { $0 = .closed } }
        phase.withLock(waitingWhile: { $0 != .ended }) { _ in }
    }
}
