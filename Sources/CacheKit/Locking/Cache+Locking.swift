public import CacheKitCore

extension Cache {
    /// How long a lock lasts at the remote if its holder is gone, in every SDK.
    public static let defaultLockLease: Duration = .seconds(30)

    /// Runs `body` while this process holds the lock of a key, which every CacheKit SDK on the same Redis respects.
    ///
    /// The lock is `<key>:lock`, looked for every 100 ms while another holds it, renewed at each third of its lease while
    /// `body` runs, and given back however `body` ends: by returning, throwing, or being cancelled. It keeps no other writer
    /// from the key, only those who ask for the lock. Not reentrant. `body` is cancelled when the lock is lost: because the
    /// remote stayed away for a whole lease, or emptied, or another took it.
    ///
    /// - Parameters:
    ///   - wait: How long to wait for another holder; 0 asks once. At most an hour.
    ///   - lease: How long the lock outlives a holder that was killed. One second to one hour.
    /// - Throws: What `body` throws; ``CacheError/Code/lockHeld`` when the wait is over, ``CacheError/Code/lockLost`` when
    ///   `body` ended and had not held the lock to its end, so its result is not given; the remote codes of ``CacheError``
    ///   when the remote is away, and ``CacheError/Code/invalidConfiguration`` without one; `CancellationError`.
    public func withLock<Result: Sendable>(
        for key: CacheKey, wait: Duration = .seconds(30), lease: Duration = Cache.defaultLockLease,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try lifecycle.requireOpen()
        guard let remote = remote as? any RemoteLocking else {
            throw CacheError(
                .invalidConfiguration,
                "this cache has no remote that gives out locks; open it with one, such as .redis(_:)")
        }
        guard lease >= .seconds(1), lease <= .seconds(3600), wait >= .zero, wait <= .seconds(3600) else {
            throw CacheError(
                .invalidArgument, "a lock's lease is one second to one hour, and the wait for it at most one hour")
        }
        let lock = RemoteLock(
            remote: remote, key: key, lease: lease, logger: configuration.logger, keyHasher: keyHasher)
        return try await lock.hold(until: lock.acquire(wait: wait), body)
    }
}

extension Namespace {
    /// Runs `body` while this process holds the lock of a key; see ``Cache/withLock(for:wait:lease:_:)``.
    public func withLock<Result: Sendable>(
        for key: String, wait: Duration = .seconds(30), lease: Duration = Cache.defaultLockLease,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await cache.withLock(for: self.key(key), wait: wait, lease: lease, body)
    }
}
