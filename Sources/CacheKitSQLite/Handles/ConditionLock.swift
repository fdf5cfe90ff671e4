#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// State behind a lock that a thread can wait on; `Synchronization.Mutex` has no such wait.
///
/// `@unchecked Sendable` because the state is only touched with the lock held.
final class ConditionLock<State>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state: State

    init(_ state: sending State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        #if canImport(Darwin)
            pthread_cond_init(condition, nil)
        #else
            // A wait with a limit must not depend on the wall clock.
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(condition, &attributes)
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Changes the state and wakes a thread that waits, if that is worth it.
    func withLock<Output>(
        wakingIf isWorthWaking: (State) -> Bool = { _ in true }, _ body: (inout State) -> Output
    ) -> Output {
        pthread_mutex_lock(mutex)
        defer {
            if isWorthWaking(state) { pthread_cond_signal(condition) }
            pthread_mutex_unlock(mutex)
        }
        return body(&state)
    }

    /// Changes the state and wakes every thread that waits.
    func withLockWakingAll<Output>(_ body: (inout State) -> Output) -> Output {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body(&state)
    }

    /// Waits until the predicate no longer holds; then uses the state.
    func withLock<Output>(waitingWhile predicate: (State) -> Bool, _ body: (inout State) -> Output) -> Output {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while predicate(state) { pthread_cond_wait(condition, mutex) }
        return body(&state)
    }

    /// Waits until the predicate no longer holds, but at most for so long.
    func wait(atMost duration: Duration, while predicate: (State) -> Bool) {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = Int(attoseconds / 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        #if canImport(Darwin)
            var limit = timespec(tv_sec: Int(seconds), tv_nsec: nanoseconds)
            while predicate(state), pthread_cond_timedwait_relative_np(condition, mutex, &limit) == 0 {}
        #else
            var end = timespec()
            clock_gettime(CLOCK_MONOTONIC, &end)
            end.tv_sec += Int(seconds)
            end.tv_nsec += nanoseconds
            if end.tv_nsec >= 1_000_000_000 {
                end.tv_sec += 1
                end.tv_nsec -= 1_000_000_000
            }
            while predicate(state), pthread_cond_timedwait(condition, mutex, &end) == 0 {}
        #endif
    }
}
