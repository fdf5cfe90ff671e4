import Synchronization

/// One result that comes later, for one who waits and may leave before.
final class Promise<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, any Error>)
        case kept(Result<Value, any Error>)
    }

    private let state = Mutex(State.open)

    /// Gives the result; later ones are dropped.
    func keep(_ result: Result<Value, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            switch state {
            case .kept: return nil
            case .open:
                state = .kept(result)
                return nil
            case .awaited(let continuation):
                state = .kept(result)
                return continuation
            }
        }
        waiter?.resume(with: result)
    }

    /// Waits for the result, once; a cancelled task leaves at once with `CancellationError`.
    var value: Value {
        get async throws {
            try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { continuation in
                    let result = state.withLock { state -> Result<Value, any Error>? in
                        if case .kept(let result) = state { return result }
                        state = .awaited(continuation)
                        return nil
                    }
                    if let result { continuation.resume(with: result) }
                }
            } onCancel: {
                keep(.failure(CancellationError()))
            }
        }
    }
}

/// What `body` gives within a time; `nil` once that is over. `body` is cancelled then, and what it gives later is dropped.
///
/// Returns on time even if `body` is deaf to being cancelled.
func within<Value: Sendable>(
    _ limit: Duration, of clock: any CacheClock, _ executor: (any TaskExecutor)?,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    let promise = Promise<Value?>()
    let work = Task(executorPreference: executor) {
        do { promise.keep(.success(try await body())) } catch { promise.keep(.failure(error)) }
    }
    let alarm = Task(executorPreference: executor) {
        if (try? await clock.sleep(for: limit)) != nil { promise.keep(.success(nil)) }
    }
    defer {
        alarm.cancel()
        work.cancel()
    }
    return try await promise.value
}
