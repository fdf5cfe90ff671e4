public import CacheKitCore
public import Logging

/// A tier shared by many nodes: plain keys and values that other SDKs read and write too.
public protocol RemoteStore: VersionedRemote {
    /// Value and remaining life of each key, in order, each pair read atomically; `nil` where there is none.
    ///
    /// One round trip however many keys. Throws when the server can't be asked; a key of another type reads as `nil`.
    func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?]

    /// Whether each key exists, in order; one round trip.
    func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool]

    /// Keys of values whose names begin so, whoever wrote them, from a place on, `nil` for the beginning: one bounded step.
    ///
    /// All steps together are linear in everything that the remote holds. A key may come twice, and one that comes, goes or
    /// changes servers meanwhile may be left out; one that stays where it is comes. Names that begin with `ckv:` are left out; markers of
    /// removals come.
    ///
    /// - Throws: ``CacheError/Code/remoteNotReady`` where a place means nothing any more; what says that a server can't be asked.
    func keys(withPrefix prefix: String, after cursor: RemoteKeyCursor?) async throws(CacheError) -> RemoteKeyPage

    /// Applies writes in order of each key, pipelined. One result for each; throws when nothing is known
    /// of any, or when none was sent.
    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult]

    /// One cheap round trip that tells whether the server answers this client.
    func ping() async throws(CacheError)

    /// Tells of what others change until the task is cancelled or the store closed; one follower at a time, others wait.
    ///
    /// Begins with ``RemoteInvalidation/everything`` once changes are heard of, and says that again after every gap. `body`
    /// is called on the store's own threads and must neither wait nor take long: what comes meanwhile stays in the socket,
    /// so nothing piles up here.
    func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async

    /// Whether changes made by others are heard of.
    var following: RemoteFollowing { get }

    /// Sentences for an operator about servers that are not asked now; empty when all is well. Asks nobody.
    var warnings: [String] { get }

    /// Whether it is asked at all now, or held off after failures. Asks nobody.
    var breaker: RemoteBreaker { get }

    /// Closes connections; waiting calls fail with ``CacheError/Code/shutdown``.
    func close() async
}

extension RemoteStore {
    /// Nothing to say.
    public var warnings: [String] { [] }

    /// Never held off.
    public var breaker: RemoteBreaker { .closed }
}

/// What a remote holds for a key.
public struct RemoteEntry: Sendable, Equatable {
    /// The bytes, as stored.
    public var value: [UInt8]
    /// Remaining life; `nil` if it has no expiry.
    public var remaining: Duration?

    /// What a remote holds.
    public init(value: [UInt8], remaining: Duration?) {
        self.value = value
        self.remaining = remaining
    }
}

/// A write for a remote.
public struct RemoteWrite: Sendable {
    /// What to do with the key.
    public enum Action: Sendable {
        /// `SET key value PX milliseconds`; at least one millisecond.
        case put([UInt8], timeToLive: Duration)
        /// `DEL key`.
        case delete
        /// `PEXPIRE key milliseconds`: lets the life of what is there end at another time; nothing where nothing is there.
        case expire(timeToLive: Duration)
    }

    /// The key.
    public var key: CacheKey
    /// What to do.
    public var action: Action

    /// A write for a remote.
    public init(key: CacheKey, action: Action) {
        self.key = key
        self.action = action
    }
}

/// What became of one write.
public enum RemoteWriteResult: Sendable {
    /// It took effect.
    case applied
    /// There was nothing whose life could be changed.
    case missing
    /// The server refused this one, or it is not known what became of it (``CacheError/Code/mayHaveBeenApplied``,
    /// ``CacheError/Code/remoteTimeout``), or it was not sent; others of the batch are not affected.
    case failed(CacheError)
}

/// Configuration that opens a remote store; modules add static members such as `.redis(_:)`.
public protocol RemoteStoreProvider: Sendable {
    /// What is wrong with it, all of it, looked at before anything is opened or created; nothing unless a type says more.
    var problems: [ConfigurationProblem] { get }

    /// Makes the store, or gives `nil` where no remote tier is wanted. Does not wait for the server to be reachable.
    func openRemoteStore(_ context: RemoteStoreContext) async throws(CacheError) -> (any RemoteStore)?
}

extension RemoteStoreProvider {
    /// Nothing.
    public var problems: [ConfigurationProblem] { [] }
}

/// What the cache tells a remote store when it opens it.
public struct RemoteStoreContext: Sendable {
    /// Where the store logs.
    public var logger: Logger
    /// The largest value the cache reads, in bytes as stored.
    public var maximumValueBytes: Int

    /// What a remote store is told.
    public init(logger: Logger, maximumValueBytes: Int) {
        self.logger = logger
        self.maximumValueBytes = maximumValueBytes
    }
}
