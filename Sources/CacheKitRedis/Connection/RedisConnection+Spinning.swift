internal import CacheKitCore
internal import Synchronization

/// The reader of replies and its buffer, for one thread at a time.
final class ReplyIntake: @unchecked Sendable {
    // Unchecked because only whoever holds the connection's lock of it uses it.
    let reader: RESPReader
    let buffer: UnsafeMutableRawBufferPointer

    init(_ reader: RESPReader, bufferSize: Int) {
        self.reader = reader
        buffer = .allocate(byteCount: bufferSize, alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }
}

/// Whether a caller who finds the connection idle looks out for its reply itself, for a few microseconds.
///
/// On the same machine a reply takes less time than waking first the I/O thread and then the caller, which triples what one
/// small command takes. Farther away it is time lost, so each failure puts the next try off for twice as many commands.
struct Spinning: Sendable {
    /// How long a caller looks out: several times what a server on the same machine takes, and enough for one whose
    /// processor has to be woken first.
    static let duration = Duration.microseconds(50)
    private static let shortestPause = 4
    /// So far away, 50 us of every thousandth command are lost.
    private static let longestPause = 1024

    private var pause = Spinning.shortestPause
    private var left = 0
    private var lastWasSmall = false

    /// Whether the next small command may be one to look out for.
    var isPromising: Bool { left == 0 && lastWasSmall }

    /// Notes a command that found the connection idle.
    mutating func note(isSmall: Bool) {
        lastWasSmall = isSmall
        if isSmall, left > 0 { left -= 1 }
    }

    mutating func succeeded() {
        pause = Self.shortestPause
    }

    mutating func failed() {
        left = pause
        pause = min(2 * pause, Self.longestPause)
    }
}

// While the connection is idle and spinning is promising, the I/O thread does not wait for bytes, but for the end of the
// connection and for being woken: else every reply would wake it beside the caller.
extension RedisConnection {
    /// Whether a batch's reply is worth looking out for.
    static func isSmall(_ batch: PendingBatch) -> Bool {
        batch.count <= 8 && batch.byteCount <= 4096
    }

    /// Takes what has come while nothing was asked, before it could be for what is sent next: that ends the connection.
    /// Waits for the I/O thread if that is just reading, so that it judges what it reads before anything is sent.
    func readUnasked() {
        intake.withLock { intake in
            if let intake { readOnce(intake) }
        }
    }

    /// Looks out for the reply to a batch that was just sent; leaves it to the I/O thread when it does not come at once.
    func spin(for batch: PendingBatch) {
        let deadline = ContinuousClock.now + Spinning.duration
        var isAnswered = false
        repeat {
            _ = intake.withLockIfAvailable { intake in
                if let intake { readOnce(intake) }
            }
            isAnswered = batch.result.isFinished
        } while !isAnswered && ContinuousClock.now < deadline
        let isHolding = intake.withLock { _ in stream.holdsReceivedBytes }
        let needsWake = state.withLock { state -> Bool in
            if isAnswered { state.spinning.succeeded() } else { state.spinning.failed() }
            // Bytes that the stream holds are somebody else's reply, and `poll` does not know of them.
            let isDone = isAnswered && state.outgoing.isEmpty && !isHolding
            return !isDone && state.requestWake()
        }
        if needsWake { wakeup.wake() }
    }
}
