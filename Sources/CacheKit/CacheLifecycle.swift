import CacheKitCore
import Synchronization

/// Whether a cache is run, and whether it is still open.
final class CacheLifecycle: Sendable {
    private struct State {
        var runs = 0
        var isShutDown = false
        var isClosed = false
        var hasWarned = false
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextID: UInt64 = 0
    }

    private let state = Mutex(State())
    /// The last change of the local store whose effect on memory is known.
    let seen: Mutex<ChangeSequence>

    init(seen: ChangeSequence) {
        self.seen = Mutex(seen)
    }

    func beginRun() { state.withLock { $0.runs += 1 } }

    func endRun() { state.withLock { $0.runs -= 1 } }

    /// Whether somebody runs the cache.
    var isRun: Bool { state.withLock { $0.runs > 0 } }

    /// Marks the cache as shut down; `false` if it was already.
    func shutDown() -> Bool {
        state.withLock { state in
            defer { state.isShutDown = true }
            return !state.isShutDown
        }
    }

    /// Says that shutting down has ended: every tier is closed.
    func close() {
        let waiters = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// Waits until every tier is closed, or the task is cancelled.
    func waitUntilClosed() async {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goOn = state.withLock { state in
                    if state.isClosed || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if goOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    var isShutDown: Bool { state.withLock { $0.isShutDown } }

    func requireOpen() throws(CacheError) {
        if isShutDown {
            throw CacheError(.shutdown, "the cache was shut down; make a new one")
        }
    }

    /// `true` once, if a write happens while nobody runs the cache.
    func shouldWarnAboutNotRunning() -> Bool {
        state.withLock { state in
            guard state.runs == 0, !state.hasWarned else { return false }
            state.hasWarned = true
            return true
        }
    }
}
