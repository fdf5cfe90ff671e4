public import CacheKitCore
public import Logging

/// Carries changes from a local store to a remote one; the sync module's engine is the implementation.
public protocol Synchronizer: Sendable {
    /// Pushes until cancelled; what is pending then stays in the file.
    func run() async

    /// Pushes what is pending until nothing is left or the deadline has passed; without retrying, until the first failure.
    func drain(deadline: Duration, retrying: Bool) async -> SyncStatus

    /// Says that a change was committed; cheap, never waits.
    func wake()

    /// What is waiting, whether it moves, and what failed last.
    func status() async throws(CacheError) -> SyncStatus
}

extension Synchronizer {
    /// Pushes what is pending, trying again after failures, until nothing is left or the deadline has passed.
    public func drain(deadline: Duration) async -> SyncStatus {
        await drain(deadline: deadline, retrying: true)
    }
}

/// What an operator wants to know of the way to the remote.
public struct SyncStatus: Sendable {
    /// What the engine is doing.
    public enum Activity: String, Sendable {
        /// Nobody runs it: changes are durable here and wait.
        case notRunning
        /// Nothing is pending.
        case idle
        /// Batches are on their way.
        case pushing
        /// Waiting before the next try.
        case backingOff
        /// Another process holds the lease and pushes.
        case standby
        /// Stopped until the configuration is mended (password, permissions).
        case paused
    }

    /// What the engine is doing.
    public var activity: Activity
    /// How much waits.
    public var backlog: Backlog
    /// Everything up to here has an outcome.
    public var watermark: ChangeSequence
    /// The highest sequence committed.
    public var lastSequence: ChangeSequence
    /// Outcomes since the engine was made.
    public var outcomes: SyncOutcomes
    /// The last failure, cleared by the next success.
    public var lastError: CacheError?
    /// Tries since the last success.
    public var consecutiveFailures: Int

    /// A status with all its parts.
    public init(
        activity: Activity, backlog: Backlog, watermark: ChangeSequence, lastSequence: ChangeSequence,
        outcomes: SyncOutcomes, lastError: CacheError?, consecutiveFailures: Int
    ) {
        self.activity = activity
        self.backlog = backlog
        self.watermark = watermark
        self.lastSequence = lastSequence
        self.outcomes = outcomes
        self.lastError = lastError
        self.consecutiveFailures = consecutiveFailures
    }
}

/// How many changes ended how.
public struct SyncOutcomes: Sendable, Equatable {
    /// Took effect at the remote.
    public var applied = 0
    /// Their time was over before they were sent; the remote was told to delete what they would have replaced.
    public var expired = 0
    /// Given up on and set aside.
    public var deadLettered = 0

    /// No outcomes yet.
    public init() {}
}

/// Configuration that makes a synchronizer; the sync module adds `.writeBehind()`.
public protocol SynchronizerProvider: Sendable {
    /// Makes the synchronizer, or gives `nil` where none is wanted.
    func makeSynchronizer(_ context: SynchronizerContext) throws(CacheError) -> (any Synchronizer)?
}

/// What the cache gives a synchronizer.
public struct SynchronizerContext: Sendable {
    /// Where changes come from.
    public var local: any LocalStore
    /// Where they go.
    public var remote: any RemoteStore
    /// Where time comes from.
    public var clock: any CacheClock
    /// Where it logs.
    public var logger: Logger

    /// What a synchronizer is given.
    public init(local: any LocalStore, remote: any RemoteStore, clock: any CacheClock, logger: Logger) {
        self.local = local
        self.remote = remote
        self.clock = clock
        self.logger = logger
    }
}

/// Says that nothing synchronises.
public struct NoSynchronizer: SynchronizerProvider {
    /// Always `nil`.
    public func makeSynchronizer(_ context: SynchronizerContext) throws(CacheError) -> (any Synchronizer)? { nil }
}

extension SynchronizerProvider where Self == NoSynchronizer {
    /// No synchronizer; right for a cache that does not have both a local and a remote store.
    public static var none: NoSynchronizer { NoSynchronizer() }
}
