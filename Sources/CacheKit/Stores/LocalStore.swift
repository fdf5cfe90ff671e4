public import CacheKitCore
public import Logging

/// A durable tier in this machine: keeps entries, numbers their changes, and gives them out as a feed.
///
/// Bytes are what Redis would hold and opaque to the store. Every call is safe from any task. A call that throws has
/// changed nothing.
public protocol LocalStore: ChangeSettling, ChangeReviewing {
    /// What is held for each key, in order; expired entries and tombstones included. The caller decides by their times.
    func read(_ keys: [CacheKey]) async throws(CacheError) -> [StoredEntry?]

    /// Commits changes in one transaction; durable when it returns. Gives each change its sequence, in order; zero for one whose row does
    /// not stand under the change that it expects, of which nothing is stored.
    ///
    /// Not cancellable once begun: a cancelled caller still learns the outcome.
    @discardableResult
    func commit(_ changes: [LocalChange]) async throws(CacheError) -> [ChangeSequence]

    /// Stores values from the remote by compare-and-set; says which were stored.
    @discardableResult
    func fill(_ fills: [RemoteFill]) async throws(CacheError) -> [Bool]

    /// Changes with a sequence above `after`, in order, at most `limit` and about `byteLimit` bytes of values (always at
    /// least one if any is left); of one origin, or of both for `nil`.
    func changes(
        after: ChangeSequence, origin: EntryOrigin?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change]

    /// Which keys changed after `after`, at most `limit` at a time, whatever their origin; for whoever keeps values
    /// elsewhere and only has to drop them.
    ///
    /// Unlike ``changes(after:origin:limit:byteLimit:)`` it goes past rows that do not authenticate, and counts them.
    func changedKeys(after: ChangeSequence, limit: Int) async throws(CacheError) -> ChangedKeys

    /// Rows without their values, from a place on, `nil` for the first: each row that stands all the while is met once.
    func heldRows(after cursor: RowCursor?, limit: Int) async throws(CacheError) -> HeldRows

    /// How many rows stand under changes up to `sequence`.
    func rowCount(through sequence: ChangeSequence) async throws(CacheError) -> Int

    /// The highest sequence committed, by any process.
    func lastSequence() async throws(CacheError) -> ChangeSequence

    /// The largest sequence up to which every change has a durable outcome at the remote.
    func watermark() async throws(CacheError) -> ChangeSequence

    /// How much waits for the remote.
    func backlog() async throws(CacheError) -> Backlog

    /// Whether another process put a change into the feed since the last call that said so; cheap enough for every 25 ms,
    /// and waits for no writer. What this store committed itself does not count.
    func hasForeignCommits() async throws(CacheError) -> Bool

    /// One small step of sweeping and evicting; `true` if more is left to do.
    func maintain() async throws(CacheError) -> Bool

    /// Looks at some rows from a place on, `nil` for the first, for values that another key than this one sealed; gives at
    /// most `limit` of them and about `byteLimit` bytes (at least one if any is found).
    ///
    /// - Throws: ``CacheError/Code/wrongMasterKey`` where a newer key than this one is current.
    func rows(
        sealedUnderOtherThan fingerprint: KeyFingerprint, after cursor: RowCursor?, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> ResealStep

    /// Puts values sealed anew in the place of the same ones, in one transaction, by compare-and-set; says which.
    ///
    /// A row takes one only if it still stands under the expected change, that change is settled, and another key sealed it.
    /// Version, sequence, origin and times stay: for everyone but the key it is no change.
    @discardableResult
    func reseal(_ values: [ResealedValue]) async throws(CacheError) -> [Bool]

    /// Takes the pusher's lease on the store; `nil` if another process has it.
    func acquirePusherLease() async throws(CacheError) -> (any PusherLease)?

    /// Whether somebody has the pusher's lease, this process included; asked without getting in a pusher's way.
    func isPusherLeaseHeld() async throws(CacheError) -> Bool

    /// What the store holds, for people and metrics.
    func statistics() async throws(CacheError) -> LocalStoreStatistics

    /// Rows that this process removed since it opened the store, by cause; asks nothing.
    var removals: LocalRemovals { get }

    /// Bytes of what it keeps on disk now, its log included; `nil` where nothing says so. Constant time.
    var storedBytes: Int? { get }

    /// Finishes what was begun and closes; later calls throw ``CacheError/Code/shutdown``.
    func close() async
}

/// Rows that a process removed, by cause.
public struct LocalRemovals: Sendable, Equatable {
    /// For space.
    public var evicted: Int
    /// For time.
    public var expired: Int

    /// So many of each.
    public init(evicted: Int = 0, expired: Int = 0) {
        self.evicted = evicted
        self.expired = expired
    }
}

extension LocalStore {
    /// A store that counts none.
    public var removals: LocalRemovals { LocalRemovals() }

    /// A store that keeps nothing on disk.
    public var storedBytes: Int? { nil }
}

/// The right to push one store's changes; held until released or the process ends.
public protocol PusherLease: Sendable {
    /// Gives the right back; again is harmless.
    func release()
}

/// A change given up on, with the reason.
public struct DeadLetter: Sendable {
    /// The change.
    public var sequence: ChangeSequence
    /// Its key.
    public var key: CacheKey
    /// Why: a code and message without key names or values.
    public var reason: CacheError

    /// A change given up on.
    public init(sequence: ChangeSequence, key: CacheKey, reason: CacheError) {
        self.sequence = sequence
        self.key = key
        self.reason = reason
    }
}

/// How much waits for the remote.
public struct Backlog: Sendable, Equatable {
    /// Rows above the watermark that were written here.
    public var changes: Int
    /// Bytes of their values.
    public var bytes: Int
    /// When the oldest of them was stamped; `nil` if none waits.
    public var oldest: Timestamp?

    /// How much waits.
    public init(changes: Int, bytes: Int, oldest: Timestamp?) {
        self.changes = changes
        self.bytes = bytes
        self.oldest = oldest
    }
}

/// What a local store holds.
public struct LocalStoreStatistics: Sendable {
    /// Live and expired values, tombstones not counted.
    public var entries: Int
    /// Versioned deletes.
    public var tombstones: Int
    /// Bytes of stored values.
    public var valueBytes: Int
    /// Bytes of the file and its log.
    public var fileBytes: Int
    /// Changes given up on.
    public var deadLetters: Int
    /// Changes set aside until somebody decides.
    public var parked: Int
    /// Values that lost against the remote's and are kept for the report.
    public var conflicts: Int
    /// Changes that were overwritten before they had an outcome, since the store was made.
    public var superseded = 0
    /// Rows that each tenant key still seals.
    public var rowsByFingerprint: [KeyFingerprint: Int]
    /// The highest sequence committed.
    public var lastSequence: ChangeSequence
    /// The watermark.
    public var watermark: ChangeSequence
    /// How much waits for the remote.
    public var backlog: Backlog

    /// What a store holds.
    public init(
        entries: Int, tombstones: Int, valueBytes: Int, fileBytes: Int, deadLetters: Int, parked: Int,
        conflicts: Int, rowsByFingerprint: [KeyFingerprint: Int], lastSequence: ChangeSequence,
        watermark: ChangeSequence,
        backlog: Backlog
    ) {
        self.entries = entries
        self.tombstones = tombstones
        self.valueBytes = valueBytes
        self.fileBytes = fileBytes
        self.deadLetters = deadLetters
        self.parked = parked
        self.conflicts = conflicts
        self.rowsByFingerprint = rowsByFingerprint
        self.lastSequence = lastSequence
        self.watermark = watermark
        self.backlog = backlog
    }
}

/// Configuration that opens a local store; modules add static members such as `.sqlite(path:)`.
public protocol LocalStoreProvider: Sendable {
    /// What is wrong with it, all of it, looked at before anything is opened or created; nothing unless a type says more.
    var problems: [ConfigurationProblem] { get }

    /// Opens the store, or gives `nil` where no local tier is wanted.
    func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)?
}

extension LocalStoreProvider {
    /// Nothing.
    public var problems: [ConfigurationProblem] { [] }
}

/// What the cache tells a local store when it opens it.
public struct LocalStoreContext: Sendable {
    /// What opens the store.
    public var keys: LocalStoreKeys
    /// The tenant that the file belongs to.
    public var tenant: String
    /// Whether a remote store is configured: from then on pending rows are protected.
    public var hasRemote: Bool
    /// Where time comes from.
    public var clock: any CacheClock
    /// Where the store logs.
    public var logger: Logger

    /// What a local store is told, with master keys that wrap the file's keys.
    public init(keyring: Keyring, tenant: String, hasRemote: Bool, clock: any CacheClock, logger: Logger) {
        self.init(keys: .keyring(keyring), tenant: tenant, hasRemote: hasRemote, clock: clock, logger: logger)
    }

    /// What a local store is told.
    public init(keys: LocalStoreKeys, tenant: String, hasRemote: Bool, clock: any CacheClock, logger: Logger) {
        self.keys = keys
        self.tenant = tenant
        self.hasRemote = hasRemote
        self.clock = clock
        self.logger = logger
    }
}
