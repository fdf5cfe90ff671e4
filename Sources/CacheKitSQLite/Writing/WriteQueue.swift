internal import CacheKitCore

/// Jobs that wait for the writer thread: bounded in number and bytes.
final class WriteQueue: Sendable {
    private struct State {
        var jobs: [WriteJob] = []
        var byteCount = 0
        var isClosed = false
        /// Jobs of the batch that the writer took last.
        var takenCount = 0
        /// Jobs that are worth waking the writer for.
        var wantedCount = 1
    }

    private static let maximumBatchCount = 2048
    private static let maximumBatchBytes = 8 << 20

    private let state = ConditionLock(State())
    private let maximumCount: Int
    private let maximumBytes: Int

    init(maximumCount: Int, maximumBytes: Int) {
        self.maximumCount = maximumCount
        self.maximumBytes = maximumBytes
    }

    /// Takes a job, or says why not.
    func add(_ job: WriteJob) -> CacheError? {
        state.withLock(wakingIf: { $0.jobs.count >= $0.wantedCount }) { state in
            if state.isClosed { return CacheError(.shutdown, "the store is closed; open it again") }
            let isFull =
                state.jobs.count >= maximumCount
                || (!state.jobs.isEmpty && state.byteCount + job.byteCount > maximumBytes)
            if isFull {
                return CacheError(.backPressure, "too many writes wait for the file; write more slowly")
            }
            state.jobs.append(job)
            state.byteCount += job.byteCount
            return nil
        }
    }

    /// Refuses further jobs; those that wait are still done.
    func close() {
        state.withLock { $0.isClosed = true }
    }

    /// Says that the last batch is committed, before its callers are told.
    ///
    /// Most of them will write again at once, so the next commit may have their jobs beside those that wait already. Without
    /// waiting for them, the first to come back would get a commit of its own and the others the one after that.
    func noteCommit() {
        state.withLock(wakingIf: { _ in false }) { state in
            state.wantedCount = max(1, min(state.takenCount + state.jobs.count, Self.maximumBatchCount))
        }
    }

    /// Jobs that the writer waits for, if it has to wait.
    var wantedCount: Int { state.withLock(wakingIf: { _ in false }) { $0.wantedCount } }

    /// Gives those who were told of the last commit a moment to come back with their next jobs.
    func gather(atMost duration: Duration) {
        state.wait(atMost: duration) { $0.jobs.count < $0.wantedCount && $0.wantedCount > 1 && !$0.isClosed }
        state.withLock(wakingIf: { _ in false }) { $0.wantedCount = 1 }
    }

    /// Waits for jobs and gives as many as share a transaction; `nil` once the queue is closed and empty.
    func next() -> [WriteJob]? {
        state.withLock(waitingWhile: { $0.jobs.isEmpty && !$0.isClosed }) { state in
            guard let first = state.jobs.first else { return nil }
            var count = 1
            var bytes = first.byteCount
            if first.isTransactional {
                while count < min(state.jobs.count, Self.maximumBatchCount), state.jobs[count].isTransactional,
                    bytes + state.jobs[count].byteCount <= Self.maximumBatchBytes
                {
                    bytes += state.jobs[count].byteCount
                    count += 1
                }
            }
            let batch = Array(state.jobs.prefix(count))
            state.jobs.removeFirst(count)
            state.byteCount -= bytes
            state.takenCount = count
            return batch
        }
    }
}
