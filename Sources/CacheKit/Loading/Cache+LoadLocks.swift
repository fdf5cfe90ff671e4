package import CacheKitCore
import Logging

/// Rings two and three of stampede protection: one load per key of all processes on a file, and one of a fleet.
///
/// The first ring is ``SingleFlight``, from within which this is called. Neither lock is a mutex: a cache would rather load
/// twice than fail, so whoever can't get one loads without it. The file's lock is taken first: of a machine's processes one at
/// a time asks the remote.
extension Cache {
    /// Runs `load` while the locks are held that the policy asks for, or gives what another stored meanwhile.
    ///
    /// Both are given back however `load` ends, and as soon as the task is cancelled, whether or not `load` listens: nobody wants
    /// what it gives then. A lock that is lost (its lease ended while the remote was away, or another took it) does not stop
    /// `load`: a second load is cheaper than none. With a local store, the fleet's lock is kept until the remote has the
    /// value, as others would not find it before that; the caller does not wait for this.
    ///
    /// - Parameters:
    ///   - whenFound: Reads the tiers again: under the locks, and now and then while another has one. What it throws ends the call.
    ///   - load: Loads and stores.
    /// - Throws: What `load` and `whenFound` throw, `CancellationError`. Never because of a lock.
    package func withLoadLocks<Result: Sendable>(
        for key: CacheKey, _ policy: LoadingPolicy, whenFound: @Sendable () async throws -> Result?,
        load: @Sendable () async throws -> Result
    ) async throws -> Result {
        guard policy.isOnePerFile || policy.isOnePerFleet else { return try await load() }
        let held = HeldLoadLocks(lockReturns)
        return try await withTaskCancellationHandler {
            do {
                if let found = try await takeLocks(of: key, policy, held, whenFound) {
                    counters.loadsElsewhere.count()
                    await held.giveBack()
                    return found
                }
                let result = try await load()
                await held.giveBack(onceSeen: whatPushes([key]))
                return result
            } catch {
                await held.giveBack()
                throw error
            }
        } onCancel: {
            held.giveBackAtOnce()
        }
    }

    /// Takes the locks that the policy asks for, as far as they can be had in time; gives what was found instead of loading.
    private func takeLocks<Result: Sendable>(
        of key: CacheKey, _ policy: LoadingPolicy, _ held: HeldLoadLocks, _ whenFound: () async throws -> Result?
    ) async throws -> Result? {
        let end = clock.uptime() + policy.loadElsewhereTimeout
        if policy.isOnePerFile, let local = local as? any LoadLocking {
            let found = try await wait(until: end, whenFound) { takeFileLock(of: key, local, held) }
            if let found { return found }
        }
        if policy.isOnePerFleet, let remote = remote as? any RemoteLocking {
            let found = try await wait(until: end, whenFound) { try await takeRemoteLock(of: key, remote, held) }
            if let found { return found }
        }
        try Task.checkCancellation()
        // The last holder may have stored it since the tiers were read.
        return held.isAny ? try await whenFound() : nil
    }

    /// What became of asking for a lock once.
    enum LockAttempt {
        case taken
        /// Another has it.
        case held
        /// It can't be asked for now.
        case unavailable
    }

    /// Asks for a lock until it was given, or can't be, or the time is over; gives what was found while another had it.
    private func wait<Result>(
        until end: Duration, _ whenFound: () async throws -> Result?, _ attempt: () async throws -> LockAttempt
    ) async throws -> Result? {
        var pause = Self.shortestPause
        while case .held = try await attempt() {
            let left = end - clock.uptime()
            guard left > .zero else {
                counters.loadLockTimeouts.count()
                return nil
            }
            // A half of it at random: those who wait for one key do not all ask at once.
            try await clock.sleep(for: min(pause * (1 - configuration.jitter() / 2), left))
            if let found = try await whenFound() { return found }
            pause = min(pause * 2, Self.longestPause)
        }
        return nil
    }

    static var shortestPause: Duration { .milliseconds(10) }
    /// As in the sibling SDKs.
    static var longestPause: Duration { .milliseconds(100) }

    func takeFileLock(of key: CacheKey, _ local: any LoadLocking, _ held: HeldLoadLocks) -> LockAttempt {
        do throws(CacheError) {
            guard let lock = try local.tryLoadLock(of: key) else { return .held }
            held.keep(lock)
            fileLockOutage.ends()
            return .taken
        } catch {
            counters.loadLockFailures.count()
            if fileLockOutage.begins() {
                configuration.logger.warning(
                    "values are loaded without the lock of the local store until it gives one",
                    metadata: ["error": "\(error)"])
            }
            return .unavailable
        }
    }

    func takeRemoteLock(
        of key: CacheKey, _ remote: any RemoteLocking, _ held: HeldLoadLocks
    ) async throws -> LockAttempt {
        let lock = RemoteLock(
            remote: remote, key: key, lease: Self.defaultLockLease, logger: configuration.logger,
            keyHasher: keyHasher)
        do {
            let until = try await lock.tryAcquire()
            remoteLockOutage.ends()
            guard let until else { return .held }
            held.keep(lock, until: until)
            return .taken
        } catch let error as CacheError {
            counters.loadLockFailures.count()
            if remoteLockOutage.begins() {
                configuration.logger.warning(
                    "values are loaded without the lock of the remote until it gives one",
                    metadata: ["error": "\(error)"])
            }
            return .unavailable
        }
    }

    /// What to wait for before others find what was stored here for some keys; `nil` for nothing.
    func whatPushes(_ keys: [CacheKey]) -> (@Sendable () async -> Void)? {
        guard synchronizer != nil else { return nil }
        return { await self.waitUntilPushed(keys) }
    }

    /// Waits until the remote has what was stored here for some keys, two seconds at the most.
    private func waitUntilPushed(_ keys: [CacheKey]) async {
        guard let local, let rows = try? await local.read(keys),
            let last = rows.compactMap({ $0?.origin == .local ? $0?.sequence : nil }).max()
        else { return }
        let end = clock.uptime() + .seconds(2)
        while clock.uptime() < end, let watermark = try? await local.watermark(), watermark < last {
            do { try await clock.sleep(for: .milliseconds(10)) } catch { return }
        }
    }
}

extension LoadingPolicy {
    /// Refuses locks that the stores of a cache do not give out.
    func checkLocks(
        _ local: (any LocalStore)?, _ remote: (any RemoteStore)?
    ) throws(CacheError) {
        if isOnePerFile, !(local is any LoadLocking) {
            throw CacheError(
                .invalidConfiguration,
                "isOnePerFile needs a local store that gives out locks, such as .sqlite(path:); open the cache with one"
            )
        }
        if isOnePerFleet, !(remote is any RemoteLocking) {
            throw CacheError(
                .invalidConfiguration,
                "isOnePerFleet needs a remote that gives out locks, such as .redis(_:); open the cache with one")
        }
    }
}
