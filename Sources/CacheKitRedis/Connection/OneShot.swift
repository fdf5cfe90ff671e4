internal import CacheKitCore
internal import Synchronization

/// A result that arrives once and resumes one caller once, whoever comes first: reply, deadline, cancellation or loss.
final class OneShot<Value: Sendable>: Sendable {
    private enum State {
        case pending
        case awaited(CheckedContinuation<Result<Value, CacheError>, Never>)
        case finished(Result<Value, CacheError>)
        case delivered
    }

    private let state = Mutex(State.pending)

    /// Whether a result has come.
    var isFinished: Bool {
        state.withLock { state in
            switch state {
            case .pending, .awaited: false
            case .finished, .delivered: true
            }
        }
    }

    /// Sets the result; `false` if another was first.
    @discardableResult
    func finish(_ result: Result<Value, CacheError>) -> Bool {
        let (isFirst, waiter) = state.withLock {
            state -> (Bool, CheckedContinuation<Result<Value, CacheError>, Never>?) in
            switch state {
            case .pending:
                state = .finished(result)
                return (true, nil)
            case .awaited(let continuation):
                state = .delivered
                return (true, continuation)
            case .finished, .delivered: return (false, nil)
            }
        }
        waiter?.resume(returning: result)
        return isFirst
    }

    /// Waits for the result; one caller only. Cancelling it finishes with ``CacheError/Code/cancelled``.
    func value() async throws(CacheError) -> Value {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early = state.withLock { state -> Result<Value, CacheError>? in
                    guard case .finished(let result) = state else {
                        state = .awaited(continuation)
                        return nil
                    }
                    state = .delivered
                    return result
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            finish(.failure(.redisCancelled()))
        }
        return try result.get()
    }
}
