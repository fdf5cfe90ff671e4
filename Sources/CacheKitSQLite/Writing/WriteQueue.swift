internal import CacheKitCore

/// Jobs that wait for the writer thread: bounded in number and bytes.
final class WriteQueue: Sendable {
    private struct State {
        var jobs: [WriteJob] = []
        var byteCount = 0
        var isClosed = false
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
        state.withLock { state in
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
            return batch
        }
    }
}
