import CacheKit
import CacheKitCore
import Synchronization

/// Keeps what is pending within its bounds: asks the store how much waits, and lets writes in as far as there is room.
///
/// What was let in while the store was asked is added to its answer, so the bound holds to within what is on its way to the
/// store at that moment and what other processes write in between.
final class PressureGate: Sendable {
    private struct State {
        /// Changes and bytes that may still be let in before the store is asked again.
        var changes = 0
        var bytes = 0
        /// What was let in so far: an answer of the store may be older than the last of it.
        var admitted = (changes: 0, bytes: 0)
        var settled = ChangeSequence.zero
    }

    private let bounds: BackPressure
    private let local: any LocalStore
    private let clock: CorrectedClock
    private let state = Mutex(State())
    private let moved = WakeSignal()

    init(_ bounds: BackPressure, _ local: any LocalStore, _ clock: CorrectedClock) {
        self.bounds = bounds
        self.local = local
        self.clock = clock
    }

    private var isOpen: Bool { bounds.changes == nil && bounds.bytes == nil }

    /// Everything up to here has an outcome.
    func settled(through sequence: ChangeSequence) {
        state.withLock { $0.settled = max($0.settled, sequence) }
        moved.set()
    }

    /// Lets a write in, at once or when there is room.
    func admit(changes: Int, bytes: Int) async throws(CacheError) -> Admission {
        if isOpen || take(changes, bytes) { return .commit }
        if try await takeAfterAsking(changes, bytes) { return .commit }
        switch bounds.response {
        case .reject: throw Self.refusal
        case .writeThrough(let timeout): return .writeThrough(timeout: timeout)
        case .block(let timeout):
            let end = clock.uptime() + timeout
            while true {
                let left = end - clock.uptime()
                if Task.isCancelled { throw Self.cancelled }
                guard left > .zero else { throw Self.refusal }
                // Other processes settle too, and do not say so here.
                await moved.wait(atMost: min(left, .milliseconds(100)), clock: clock)
                if try await takeAfterAsking(changes, bytes) { return .commit }
            }
        }
    }

    /// Waits until changes have taken effect at the remote, or gave way to later ones.
    func awaitApplied(_ changes: [CacheKey: ChangeSequence], atMost timeout: Duration) async throws(CacheError) {
        guard let last = changes.values.max() else { return }
        try await awaitSettled(last, atMost: timeout)
        // The store knows, whichever process has sent them.
        let keys = Array(changes.keys)
        for (key, row) in zip(keys, try await local.read(keys)) {
            guard let row, let sequence = changes[key] else { continue }
            let isLost = row.origin == .remote && row.sequence > sequence
            var isSetAside = false
            if row.sequence == sequence {
                let before = ChangeSequence(sequence.number - 1)
                isSetAside = try await local.settledChanges(
                    after: before, through: sequence, limit: 1, byteLimit: 1
                ).isEmpty
            }
            if isLost || isSetAside { throw Self.notApplied }
        }
    }

    private static var notApplied: CacheError {
        CacheError(
            .notApplied,
            "the remote did not take the write: something else is there, or it was set aside; see the sync status")
    }

    private func awaitSettled(_ sequence: ChangeSequence, atMost timeout: Duration) async throws(CacheError) {
        let end = clock.uptime() + timeout
        while true {
            if state.withLock({ $0.settled >= sequence }) { return }
            if try await local.watermark() >= sequence { return }
            let left = end - clock.uptime()
            if Task.isCancelled { throw Self.cancelledKept }
            guard left > .zero else {
                throw CacheError(
                    .backPressure,
                    "the write is kept here and will be sent, but the remote did not take it in time; too much is pending"
                )
            }
            await moved.wait(atMost: min(left, .milliseconds(100)), clock: clock)
        }
    }

    private func take(_ changes: Int, _ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.changes >= changes, state.bytes >= bytes else { return false }
            state.changes -= changes
            state.bytes -= bytes
            state.admitted.changes += changes
            state.admitted.bytes += bytes
            return true
        }
    }

    /// A write larger than the bound is let in when nothing else is pending.
    private func takeAfterAsking(_ changes: Int, _ bytes: Int) async throws(CacheError) -> Bool {
        let before = state.withLock { $0.admitted }
        let backlog = try await local.backlog()
        return state.withLock { state in
            let waiting = backlog.changes + state.admitted.changes - before.changes
            let waitingBytes = backlog.bytes + state.admitted.bytes - before.bytes
            let room = (bounds.changes ?? .max) - waiting
            let byteRoom = (bounds.bytes ?? .max) - waitingBytes
            let fits = room >= changes && byteRoom >= bytes
            guard fits || (waiting == 0 && waitingBytes == 0) else { return false }
            state.admitted.changes += changes
            state.admitted.bytes += bytes
            // An eighth of the room at a time: what is pending is asked for again before it can be far off.
            state.changes = max(0, min(room / 8, 1 << 20) - changes)
            state.bytes = max(0, min(byteRoom / 8, 1 << 40) - bytes)
            return true
        }
    }

    private static var cancelled: CacheError {
        CacheError(.cancelled, "the task was cancelled before there was room for the write; nothing was written")
    }

    private static var cancelledKept: CacheError {
        CacheError(.cancelled, "the task was cancelled; the write is kept here and will be sent")
    }

    private static var refusal: CacheError {
        CacheError(
            .backPressure, "too many changes wait for the remote; see the sync status, or raise sync.backPressure")
    }
}
