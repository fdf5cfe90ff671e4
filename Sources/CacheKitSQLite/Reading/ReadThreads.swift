internal import CacheKitCore

/// Threads for reads that may take long, so that they hold up none of Swift's cooperative pool.
///
/// Started when there is first something to do.
final class ReadThreads: Sendable {
    private typealias Job = @Sendable () -> Void

    private struct State {
        /// Two stacks make a queue whose ends are both quick: jobs arrive on one, and leave the other in order.
        var arriving: [Job] = []
        var leaving: [Job] = []
        var threads = 0
        var resting = 0
        var isClosed = false

        var count: Int { arriving.count + leaving.count }

        mutating func next() -> Job? {
            if leaving.isEmpty {
                leaving = arriving.reversed()
                arriving = []
            }
            return leaving.popLast()
        }
    }

    /// Reads that may wait for a thread.
    private static let maximumCount = 65_536

    private let maximumThreads: Int
    private let state = ConditionLock(State())
    /// Every thread has ended.
    private let ended = OneTimeSignal()

    init(maximumThreads: Int) {
        self.maximumThreads = maximumThreads
    }

    deinit { end() }

    /// Runs a body on one of the threads and gives its output.
    func run<Output: Sendable>(
        _ body: @escaping @Sendable () throws(CacheError) -> Output
    ) async throws(CacheError) -> Output {
        let result: Result<Output, CacheError> = await withCheckedContinuation { continuation in
            let refusal = add {
                continuation.resume(returning: Result { () throws(CacheError) in try body() })
            }
            if let refusal { continuation.resume(returning: .failure(refusal)) }
        }
        return try result.get()
    }

    private func add(_ job: @escaping Job) -> CacheError? {
        state.withLock { state in
            if state.isClosed { return ReadPool.closed }
            guard state.count < Self.maximumCount else {
                return CacheError(.backPressure, "too many reads wait for the file; read more slowly")
            }
            if state.count >= state.resting, state.threads < maximumThreads {
                // The state and not this object, which ends the threads when it goes.
                let isStarted = SystemThread.start { [lock = self.state, ended] in Self.serve(lock, ended) }
                if isStarted { state.threads += 1 }
                if state.threads == 0 { return SystemThread.unavailable }
            }
            state.arriving.append(job)
            return nil
        }
    }

    private static func serve(_ lock: ConditionLock<State>, _ ended: OneTimeSignal) {
        var job: Job?
        repeat {
            job?()
            lock.withLock { $0.resting += 1 }
            job = lock.withLock(waitingWhile: { $0.count == 0 && !$0.isClosed }) { state in
                state.resting -= 1
                return state.next()
            }
        } while job != nil
        let isLast = lock.withLock { state in
            state.threads -= 1
            return state.threads == 0
        }
        if isLast { ended.set() }
    }

    /// Refuses further jobs; those that wait are still done.
    func end() {
        let isUnused = state.withLockWakingAll { state in
            state.isClosed = true
            return state.threads == 0
        }
        if isUnused { ended.set() }
    }

    /// Refuses further jobs and waits until the last one is done and every thread has ended.
    func close() async {
        end()
        await ended.wait()
    }
}
