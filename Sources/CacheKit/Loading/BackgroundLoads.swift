import CacheKitCore
import Synchronization

/// Loads that nobody waits for: bounded, one at a time for a key, and ended at shutdown.
final class BackgroundLoads: Sendable {
    private struct State {
        var tasks: [LoadKey: Task<Void, Never>] = [:]
        /// Keys whose last load failed, and until when nobody tries again, as uptime.
        var pauses: [LoadKey: Duration] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())
    private let limit: Int
    private let executor: (any TaskExecutor)?

    private static let maximumPauses = 4_096

    init(limit: Int, executor: (any TaskExecutor)?) {
        self.limit = limit
        self.executor = executor
    }

    var count: Int { state.withLock { $0.tasks.count } }

    /// Begins a load, unless one of the key runs, too many do, or the cache is closing; says whether one of the key runs now.
    @discardableResult
    func start(_ key: LoadKey, _ body: @escaping @Sendable () async -> Void) -> Bool {
        state.withLock { state in
            if state.tasks[key] != nil { return true }
            guard !state.isClosed, state.tasks.count < limit else { return false }
            state.tasks[key] = Task(executorPreference: executor) { [self] in
                await body()
                self.state.withLock { _ = $0.tasks.removeValue(forKey: key) }
            }
            return true
        }
    }

    /// A load failed: nobody tries again until then.
    func pause(_ key: LoadKey, until uptime: Duration) {
        state.withLock { state in
            // Bounded without an order: all make room at once, which costs a few loads.
            if state.pauses.count >= Self.maximumPauses { state.pauses = [:] }
            state.pauses[key] = uptime
        }
    }

    /// Whether a load of the key failed a moment ago.
    func isPaused(_ key: LoadKey, at uptime: Duration) -> Bool {
        state.withLock { state in
            guard let end = state.pauses[key] else { return false }
            if end > uptime { return true }
            state.pauses[key] = nil
            return false
        }
    }

    /// Begins no more, waits for those that run, for at most `deadline`, and cancels what is left.
    func close(deadline: Duration, clock: any CacheClock) async {
        let tasks = state.withLock { state in
            state.isClosed = true
            return Array(state.tasks.values)
        }
        guard !tasks.isEmpty else { return }
        _ = try? await within(deadline, of: clock, executor) {
            for task in tasks { await task.value }
        }
        for task in tasks { task.cancel() }
    }
}
