public import CacheKit
public import CacheKitCore

/// The remote tier on one Redis server, by plain keys and values that other SDKs read and write too.
///
/// Every call goes over one shared connection, pipelined. It can be used from any task.
public final class RedisStore: RemoteStore {
    private let node: RedisNode

    /// Makes a store; connects with the first call.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` for a bad address or a value out of bounds.
    public init(_ configuration: RedisConfiguration, context: RemoteStoreContext) throws(CacheError) {
        let url = try configuration.address.get()
        try configuration.validate()
        // The margin is for what surrounds a value in the stream, and for other replies than values.
        let valueBytes = configuration.maximumReplyBytes ?? (context.maximumValueBytes + 64 << 10)
        let settings = RedisNode.Settings(
            dialer: Dialer(endpoint: url.endpoint, allowsLinkLocal: configuration.allowsLinkLocal),
            login: Login(
                credentials: url.credentials, database: url.database, clientName: configuration.clientName),
            credentials: configuration.credentials, connectTimeout: configuration.connectTimeout,
            limits: RedisConnection.Limits(
                commandTimeout: configuration.commandTimeout, commandsInFlight: configuration.maximumCommandsInFlight,
                bytesInFlight: configuration.maximumBytesInFlight, waitingCallers: configuration.maximumWaitingCallers,
                valueBytes: valueBytes),
            backoff: Backoff(first: configuration.initialBackoff, longest: configuration.maximumBackoff))
        node = RedisNode(settings, logger: context.logger)
    }

    deinit {
        node.close()
    }

    /// Value and remaining life of each key, in order; `GET` and `PTTL` in one transaction.
    ///
    /// - Throws: the remote codes of ``CacheError``; a key of another type reads as `nil`.
    public func read(_ keys: [CacheKey]) async throws(CacheError) -> [RemoteEntry?] {
        var entries: [RemoteEntry?] = []
        entries.reserveCapacity(keys.count)
        for chunk in Chunks.ofKeys(keys) {
            let (batch, groups) = ReadCommands.encode(keys[chunk])
            try ReadCommands.decode(try await node.send(batch), groups, into: &entries)
        }
        return entries
    }

    /// Whether each key exists, in order.
    public func contains(_ keys: [CacheKey]) async throws(CacheError) -> [Bool] {
        var found: [Bool] = []
        found.reserveCapacity(keys.count)
        for chunk in Chunks.ofKeys(keys) {
            var writer = RESPWriter()
            for key in keys[chunk] { writer.command("EXISTS", key.string) }
            for reply in try await node.send(CommandBatch(writer, isIdempotent: true)) {
                switch reply {
                case .integer(let count): found.append(count != 0)
                case .error(let text): throw .redisReply(text)
                default: throw .redisUnexpectedReply()
                }
            }
        }
        return found
    }

    /// Applies writes in order: `SET key value PX milliseconds` and `DEL key`.
    ///
    /// - Throws: ``CacheError/Code/mayHaveBeenApplied`` when any of the batch may have taken effect and the outcome is
    ///   not known, ``CacheError/Code/remoteUnavailable`` when none has.
    public func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        var results: [RemoteWriteResult] = []
        results.reserveCapacity(writes.count)
        for chunk in Chunks.ofWrites(writes) {
            do throws(CacheError) {
                let batch = WriteCommands.encode(writes[chunk])
                for (write, reply) in zip(writes[chunk], try await node.send(batch)) {
                    results.append(try WriteCommands.result(of: write, reply))
                }
            } catch {
                // Chunks before this one have taken effect.
                guard !results.isEmpty, error.code == .remoteUnavailable || error.code == .backPressure else {
                    throw error
                }
                throw .redisUnanswered(error)
            }
        }
        return results
    }

    /// `PING`. A user who may not send that one is answered all the same, and may do what the cache needs.
    public func ping() async throws(CacheError) {
        var writer = RESPWriter()
        writer.command("PING")
        switch try await node.send(CommandBatch(writer, isIdempotent: true)).first {
        case .simpleString: return
        case .error(let text) where text.hasPrefix("NOPERM"): return
        case .error(let text): throw .redisReply(text)
        default: throw .redisUnexpectedReply()
        }
    }

    /// Closes the connection; waiting calls fail with ``CacheError/Code/shutdown``.
    public func close() async {
        node.close()
    }

    /// Any command that gives one reply; an error reply is thrown. Not sent again after a loss.
    package func command(_ arguments: [[UInt8]]) async throws(CacheError) -> RESPValue {
        var writer = RESPWriter()
        writer.command(arguments)
        guard let reply = try await node.send(CommandBatch(writer)).first else { throw .redisUnexpectedReply() }
        if case .error(let text) = reply { throw .redisReply(text) }
        return reply
    }
}
