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

    /// Says that the remote may have lost something: it was flushed, or was out of sight. Cheap, never waits.
    func suspectLoss()

    /// Whether the remote may have lost what it knew of a key: its bucket did, or marks were not compared since it was out of
    /// sight; with a `suspicion`, a time of the clock's ``CacheClock/uptime()``, since then. Cheap, never waits.
    func mayHaveLost(_ key: CacheKey, since suspicion: Duration?) -> Bool

    /// Whether nobody but this node writes a key, so that there is nothing newer to ask for. Cheap, never waits.
    func writesAlone(_ key: CacheKey) -> Bool

    /// Counts losses of the remote that were found, and those that were mended: while it stays the same, none was.
    var losses: Int { get }

    /// Compares what this node knows to have been acknowledged with what the remote says of it, and sends nothing: whether the
    /// remote lost something, where nobody runs this or another process does.
    func compareMarks() async throws(CacheError)

    /// Lets changes be committed, at once or when there is room; asked before each commit.
    ///
    /// - Throws: ``CacheError/Code/backPressure`` where too much is pending.
    func admit(changes: Int, bytes: Int) async throws(CacheError) -> Admission

    /// Waits until changes have taken effect at the remote, or gave way to later ones of their keys.
    ///
    /// - Throws: ``CacheError/Code/notApplied`` where one lost against what the remote holds, or was set aside;
    ///   ``CacheError/Code/backPressure`` after `timeout`, and ``CacheError/Code/cancelled``: the changes stay pending.
    func awaitApplied(_ changes: [CacheKey: ChangeSequence], atMost timeout: Duration) async throws(CacheError)

    /// What is waiting, whether it moves, and what failed last.
    func status() async throws(CacheError) -> SyncStatus

    /// Sends changes again; see ``Cache/replay(_:_:progress:)``.
    func replay(
        _ selection: ReplaySelection, _ options: ReplayOptions, progress: @escaping @Sendable (ReplayReport) -> Void
    ) async throws(CacheError) -> ReplayReport

    /// Replays that have not ended, the oldest first.
    func unfinishedReplays() async throws(CacheError) -> [ReplayReport]
}

extension Synchronizer {
    /// Pushes what is pending, trying again after failures, until nothing is left or the deadline has passed.
    public func drain(deadline: Duration) async -> SyncStatus {
        await drain(deadline: deadline, retrying: true)
    }
}

/// How a write is let in.
public enum Admission: Sendable, Equatable {
    /// It is acknowledged when it is durable here.
    case commit
    /// It is acknowledged when the remote has it.
    case writeThrough(timeout: Duration)
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
    /// Buckets of the remote that lost what this node sent, and are being sent it again.
    public var lostBuckets = 0
    /// Changes that wait for a part of the remote that is away, while others go on; the watermark waits below them.
    public var heldBack = 0
    /// Sentences for an operator about what is not as it should be; empty when all is well.
    public var warnings: [String] = []

    /// A status with all its parts.
    public init(
        activity: Activity, backlog: Backlog, watermark: ChangeSequence, lastSequence: ChangeSequence,
        outcomes: SyncOutcomes, lastError: CacheError?, consecutiveFailures: Int, lostBuckets: Int = 0,
        heldBack: Int = 0, warnings: [String] = []
    ) {
        self.activity = activity
        self.backlog = backlog
        self.watermark = watermark
        self.lastSequence = lastSequence
        self.outcomes = outcomes
        self.lastError = lastError
        self.consecutiveFailures = consecutiveFailures
        self.lostBuckets = lostBuckets
        self.heldBack = heldBack
        self.warnings = warnings
    }
}

/// How many changes ended how.
public struct SyncOutcomes: Sendable, Equatable {
    /// Took effect at the remote.
    public var applied = 0
    /// Overwritten here, by any process, before they had another outcome.
    public var superseded = 0
    /// Lost against a newer version at the remote.
    public var stale = 0
    /// Lost against a write at the remote that has no version.
    public var foreign = 0
    /// Given up because the value that they would have replaced was gone.
    public var absent = 0
    /// Their time was over before they were sent; the remote was told to delete what they would have replaced.
    public var expired = 0
    /// Set aside until somebody decides.
    public var parked = 0
    /// Given up on.
    public var deadLettered = 0
    /// Sent again because the remote had lost them; they had an outcome before.
    public var resent = 0

    /// No outcomes yet.
    public init() {}

    /// Those that lost against what the remote held.
    public var lost: Int { stale + foreign + absent }

    /// Each by the name that reports and metrics use.
    public var byName: [(name: String, count: Int)] {
        [
            ("applied", applied), ("superseded", superseded), ("stale", stale), ("foreign", foreign),
            ("absent", absent), ("expired", expired), ("parked", parked), ("dead_lettered", deadLettered),
            ("resent", resent),
        ]
    }
}

/// Configuration that makes a synchronizer; the sync module adds `.writeBehind()`.
public protocol SynchronizerProvider: Sendable {
    /// What is wrong with it, all of it, looked at before anything is opened or created; nothing unless a type says more.
    var problems: [ConfigurationProblem] { get }

    /// Makes the synchronizer, or gives `nil` where none is wanted.
    func makeSynchronizer(_ context: SynchronizerContext) throws(CacheError) -> (any Synchronizer)?
}

extension SynchronizerProvider {
    /// Nothing.
    public var problems: [ConfigurationProblem] { [] }
}

/// What the cache gives a synchronizer.
public struct SynchronizerContext: Sendable {
    /// Where changes come from.
    public var local: any LocalStore
    /// Where they go.
    public var remote: any RemoteStore
    /// Where time comes from; the synchronizer tells it what it learns of its error.
    public var clock: CorrectedClock
    /// Where it logs.
    public var logger: Logger
    /// Opens a value from the remote before it takes the place of a row; an error says why it can't.
    public var checkingValue: @Sendable (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue

    /// Told of keys whose rows the synchronizer replaced: memory must not go on serving what lost.
    public var replaced: @Sendable ([CacheKey]) -> Void
    /// Told that the remote has lost something, announced or not: what came from it may be gone there.
    public var lost: @Sendable () -> Void

    /// What a synchronizer is given.
    public init(
        local: any LocalStore, remote: any RemoteStore, clock: CorrectedClock, logger: Logger,
        replaced: @escaping @Sendable ([CacheKey]) -> Void = { _ in }, lost: @escaping @Sendable () -> Void = {},
        checkingValue: @escaping @Sendable (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) {
        self.replaced = replaced
        self.lost = lost
        self.local = local
        self.remote = remote
        self.clock = clock
        self.logger = logger
        self.checkingValue = checkingValue
    }
}

/// What a value from the remote is, once it was opened.
public struct RemoteValue: Sendable {
    /// How it is laid out.
    public var mode: NamespaceMode
    /// Whether it is sealed, and under which key.
    public var form: ValueForm
    /// How long it lives here where the remote sets no end.
    public var timeToLive: Duration
    /// For how long after the end of its life it is kept here, as a stale value.
    public var keepsStale: Duration

    /// What a value is.
    public init(mode: NamespaceMode, form: ValueForm, timeToLive: Duration, keepsStale: Duration = .zero) {
        self.mode = mode
        self.form = form
        self.timeToLive = timeToLive
        self.keepsStale = keepsStale
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
