import CacheKitCore
import Logging
import Synchronization

/// One holding of a lock, from the first attempt to its release.
///
/// Whether it is still held is judged by this machine's clock from before each request that began a lease: the remote
/// counted from later.
struct RemoteLock: Sendable {
    let remote: any RemoteLocking
    let key: CacheKey
    let lease: Duration
    let logger: Logger
    private let token = LockToken()

    /// As in the sibling SDKs.
    private static let pollInterval: Duration = .milliseconds(100)

    init(remote: any RemoteLocking, key: CacheKey, lease: Duration, logger: Logger) {
        self.remote = remote
        self.key = key
        self.lease = lease
        self.logger = logger
    }

    /// Takes the lock within `wait`; gives the moment until which it is held.
    func acquire(wait: Duration) async throws -> ContinuousClock.Instant {
        let deadline = ContinuousClock.now + wait
        while true {
            try Task.checkCancellation()
            if let until = try await tryAcquire() { return until }
            let next = min(ContinuousClock.now + Self.pollInterval, deadline)
            guard ContinuousClock.now < deadline else {
                throw CacheError(
                    .lockHeld, "another holder kept the lock for longer than the caller waits; try again later")
            }
            try await Task.sleep(until: next, clock: .continuous)
        }
    }

    /// Asks once; gives the moment until which the lock is held, `nil` if another has it.
    func tryAcquire() async throws -> ContinuousClock.Instant? {
        let asked = ContinuousClock.now
        guard try await attempt() else { return nil }
        guard Task.isCancelled else { return asked + lease }
        await release()
        throw CancellationError()
    }

    /// Asks once. Not cancelled with the caller: an attempt whose answer nobody waits for could leave the lock taken.
    private func attempt() async throws(CacheError) -> Bool {
        let task = Task.detached { () async throws(CacheError) -> Bool in
            try await remote.acquireLock(of: key, token, lease: lease)
        }
        do {
            return try await task.value
        } catch {
            let error = CacheError(wrapping: error)
            // It may have been taken all the same; nobody waits for what can only be tried.
            if error.code == .mayHaveBeenApplied || error.code == .remoteTimeout { Task.detached { await release() } }
            throw error
        }
    }

    private enum Event<Result: Sendable>: Sendable {
        case ended(Swift.Result<Result, any Error>)
        case lost
        case stopped
    }

    /// Runs `body` while the lock is held, then gives it back, however `body` ended.
    func hold<Result: Sendable>(
        until: ContinuousClock.Instant, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let held = HeldUntil(until)
        var isLost = false
        var outcome = Swift.Result<Result, any Error>.failure(CancellationError())
        await withTaskGroup(of: Event<Result>.self) { group in
            group.addTask {
                do {
                    return .ended(.success(try await body()))
                } catch {
                    return .ended(.failure(error))
                }
            }
            group.addTask { await renew(held) ? .lost : .stopped }
            group.addTask { await expire(held) ? .lost : .stopped }
            for await event in group {
                switch event {
                case .ended(let result):
                    outcome = result
                    group.cancelAll()
                case .lost:
                    isLost = true
                    group.cancelAll()
                case .stopped: break
                }
            }
        }
        isLost = isLost || held.isOver
        if await !release() { isLost = true }
        guard isLost else { return try outcome.get() }
        // An error of its own says more than that the lock was lost; being cancelled is what losing it led to.
        if case .failure(let error) = outcome, !(error is CancellationError) { throw error }
        throw CacheError(
            .lockLost, "the lock was lost before the work under it had ended; another holder may have worked meanwhile")
    }

    /// Begins the lease anew until cancelled; for work that goes on when the lock is lost.
    func renewing(from until: ContinuousClock.Instant) -> Task<Void, Never> {
        Task.detached {
            if await renew(HeldUntil(until)) {
                logger.notice("the lock of a load was lost, and the load goes on; another may load the same key")
            }
        }
    }

    /// Begins the lease anew at each third of it; `true` once the lock is another's.
    private func renew(_ held: HeldUntil) async -> Bool {
        while (try? await Task.sleep(for: lease / 3)) != nil {
            let asked = ContinuousClock.now
            do throws(CacheError) {
                guard try await remote.renewLock(of: key, token, lease: lease) else { return !Task.isCancelled }
                held.extend(to: asked + lease)
            } catch {
                // The lease goes on for now; if the remote stays away, it ends.
                logger.debug("a lock was not renewed", metadata: ["error": "\(error)"])
            }
        }
        return false
    }

    /// `true` once the lease has ended without having been begun anew.
    private func expire(_ held: HeldUntil) async -> Bool {
        while !held.isOver {
            guard (try? await Task.sleep(until: held.instant, clock: .continuous)) != nil else { return false }
        }
        return true
    }

    /// Gives the lock back; `false` if it was another's already. Not cancelled with the caller; ends by the deadlines of
    /// the remote store, and where that can't be asked the lease ends by itself.
    @discardableResult
    func release() async -> Bool {
        await Task.detached {
            do throws(CacheError) {
                return try await remote.releaseLock(of: key, token)
            } catch {
                logger.notice(
                    "a lock was not given back and ends with its lease", metadata: ["error": "\(error)"])
                return true
            }
        }.value
    }
}

/// Until when a lock is held, as far as this machine can tell.
private final class HeldUntil: Sendable {
    private let state: Mutex<ContinuousClock.Instant>

    init(_ instant: ContinuousClock.Instant) {
        state = Mutex(instant)
    }

    var instant: ContinuousClock.Instant { state.withLock { $0 } }
    var isOver: Bool { instant <= .now }

    func extend(to instant: ContinuousClock.Instant) { state.withLock { $0 = max($0, instant) } }
}
