public import CacheKit
import Synchronization

/// A clock that stands still until it is told to move.
///
/// A test of something that waits lets it begin to wait first, with ``waitForSleepers(_:)``: time that passes before that is
/// not counted.
public final class ManualClock: CacheClock {
    private struct Sleeper {
        let id: UInt64
        let wakesAt: Duration
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: Timestamp
        var uptime = Duration.zero
        var sleepers: [Sleeper] = []
        var watchers: [Watcher] = []
        var nextID: UInt64 = 0

        mutating func takeContentWatchers() -> [Watcher] {
            let content = watchers.filter { $0.count <= sleepers.count }
            watchers.removeAll { $0.count <= sleepers.count }
            return content
        }
    }

    private struct Watcher {
        let id: UInt64
        let count: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private let state: Mutex<State>

    /// Starts at a given time; 2026-01-01T00:00:00Z where left out.
    public init(now: Timestamp = Timestamp(milliseconds: 1_767_225_600_000)) {
        state = Mutex(State(now: now))
    }

    /// The time that was set.
    public func now() -> Timestamp { state.withLock { $0.now } }

    /// How many tasks are waiting.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// How far it was moved on.
    public func uptime() -> Duration { state.withLock { $0.uptime } }

    /// Moves wall time alone, as somebody who sets the clock does.
    public func jump(by duration: Duration) {
        state.withLock { $0.now = $0.now.advanced(by: duration) }
    }

    /// Moves time and wakes whoever's wait is over. Wall time may also be moved back.
    public func advance(by duration: Duration) {
        let due = state.withLock { state -> [Sleeper] in
            state.now = state.now.advanced(by: duration)
            state.uptime += max(.zero, duration)
            let due = state.sleepers.filter { $0.wakesAt <= state.uptime }
            state.sleepers.removeAll { $0.wakesAt <= state.uptime }
            return due
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    /// Waits until at least so many tasks sleep on this clock, so that time can be moved on with all of them.
    ///
    /// - Throws: `CancellationError` when the task is cancelled: give a test that may wait in vain a time limit.
    public func waitForSleepers(_ count: Int) async throws {
        let id = nextID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.sleepers.count >= count { return .success(()) }
                    state.watchers.append(Watcher(id: id, count: count, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let watcher = state.withLock { state -> Watcher? in
                guard let index = state.watchers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.watchers.remove(at: index)
            }
            watcher?.continuation.resume(throwing: CancellationError())
        }
    }

    private func nextID() -> UInt64 {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }

    /// Waits until time has been moved far enough.
    public func sleep(for duration: Duration) async throws {
        let id = nextID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                var content: [Watcher] = []
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if duration <= .zero { return .success(()) }
                    state.sleepers.append(
                        Sleeper(id: id, wakesAt: state.uptime + duration, continuation: continuation))
                    content = state.takeContentWatchers()
                    return nil
                }
                for watcher in content { watcher.continuation.resume() }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
