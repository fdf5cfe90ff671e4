public import CacheKit
public import CacheKitCore
internal import Synchronization

/// The remote tier in Redis, by plain keys and values that other SDKs read and write too.
///
/// Every call goes over one shared connection to each server, pipelined. It can be used from any task.
public final class RedisStore: RemoteStore {
    let topology: any Topology
    let surveyor = ServerSurvey()
    /// Whether writes go over connections only that a note of this store names.
    let isFenced = Atomic(false)
    private let gathered = GatheredReads()
    private let follower: InvalidationFollower

    /// Makes a store; connects with the first call.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` for a bad address or a value out of bounds.
    public init(_ configuration: RedisConfiguration, context: RemoteStoreContext) throws(CacheError) {
        try CacheError.check(configuration.problems)
        let url = try configuration.address.get()
        var configuration = configuration
        configuration.tlsContext = try configuration.makeTLSContext(url)
        follower = InvalidationFollower(
            prefixes: configuration.followedPrefixes, logger: context.logger
        ) { [configuration] endpoint in configuration.nodeSettings(url, endpoint, context) }
        configuration.observer = follower
        topology = try configuration.makeTopology(url, context)
    }

    deinit {
        topology.close()
        follower.close()
    }

    /// Value and remaining life of each key, in order; `MGET` and `PTTL` in one transaction.
    ///
    /// Calls for one key each that come at the same moment are sent together, where one server has every key.
    ///
    /// - Throws: the remote codes of ``CacheError``; a key of another type reads as `nil`.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        guard keys.count == 1, topology.hasOneServer else { return try await topology.perform(ReadOperation(), keys) }
        let entry = try await gathered.read(keys[0]) { keys throws(CacheError) in
            try await self.topology.perform(ReadOperation(), keys)
        }
        return [entry]
    }

    /// Whether each key exists, in order.
    public func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        try await topology.perform(ContainsOperation(), keys)
    }

    /// Keys of string values whose names begin so, of one master after the other: one `SCAN`.
    public func keys(
        withPrefix prefix: String, after cursor: RemoteKeyCursor?
    ) async throws(CacheError) -> RemoteKeyPage {
        try await KeyScan(topology: topology).step(prefix: prefix, after: cursor)
    }

    /// Applies writes in order, that of each key in a Cluster: `SET key value PX milliseconds` and `DEL key`.
    ///
    /// Where one server of a Cluster is lost, its writes fail one by one, and those to others have their own results.
    ///
    /// - Throws: ``CacheError/Code/mayHaveBeenApplied`` when any of the batch may have taken effect and the outcome is
    ///   not known, ``CacheError/Code/remoteUnavailable`` when none has.
    public func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        try await topology.perform(WriteOperation(isFenced: isFenced.load(ordering: .relaxed)), writes)
    }

    /// `PING`. A user who may not send that one is answered all the same, and may do what the cache needs.
    public func ping() async throws(CacheError) {
        var writer = RESPWriter()
        writer.command("PING")
        switch try await topology.send(CommandBatch(writer, isIdempotent: true), for: nil).first {
        case .simpleString: return
        case .error(let text) where text.hasPrefix("NOPERM"): return
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    /// Where the masters are now.
    func masters() async throws(CacheError) -> [RedisEndpoint] {
        try await topology.masters()
    }

    /// Says of each server whose circuit breaker is not closed why that is and when it is asked again.
    public var warnings: [String] { topology.warnings }

    /// The least good breaker of its servers.
    public var breaker: RemoteBreaker { topology.breaker }

    /// Closes the connections; waiting calls fail with ``CacheError/Code/shutdown``.
    public func close() async {
        topology.close()
        follower.close()
    }

    /// Hears of what others change through `CLIENT TRACKING` in broadcasting mode
    /// (https://redis.io/docs/latest/develop/reference/client-side-caching/); what this store writes itself is not told.
    public func follow(_ body: @escaping @Sendable (RemoteInvalidation) -> Void) async {
        await follower.follow(topology, body)
    }

    /// Whether every master tells of changes.
    public var following: RemoteFollowing { follower.following }

    /// Any command that gives one reply; an error reply is thrown. Not sent again after a loss.
    ///
    /// - Parameter key: The key that it is about, where servers share the keys among them. Commands with one keep their place
    ///   among the writes of that key; those without one can be overtaken by large values.
    package func command(_ arguments: [[UInt8]], for key: String? = nil) async throws(CacheError) -> RESPValue {
        var writer = RESPWriter()
        writer.command(arguments)
        var batch = CommandBatch(writer)
        if let key {
            batch.writes = CommandBatch.Writes(
                largestValue: arguments.reduce(0) { max($0, $1.count) }, keys: { [key] })
        }
        guard let reply = try await topology.send(batch, for: key).first else { throw .redisUnexpectedReply() }
        if case .error(let text) = reply { throw .redisReply(text) }
        return reply
    }
}
