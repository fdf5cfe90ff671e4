internal import CacheKit
internal import CacheKitCore
internal import Logging

/// A master that sentinels watch; its replicas are not asked.
struct SentinelTopology: Topology {
    /// Two would do, if a call always knew its connection's generation: that may only be made, or replaced, by the call.
    private static let maximumSendings = 3

    private let node: RedisNode
    private let directory: SentinelDirectory
    private let subscription: SentinelSubscription

    /// - Parameter settings: how the master is reached, wherever it is.
    init(_ settings: RedisNode.Settings, _ directory: SentinelDirectory, logger: Logger) {
        self.directory = directory
        subscription = SentinelSubscription(directory: directory, backoff: settings.breaker.backoff, logger: logger)
        var settings = settings
        settings.source = SentinelSource(directory: directory, subscription: subscription)
        let node = RedisNode(settings, logger: logger)
        self.node = node
        subscription.notify { [weak node] master, isNews in
            node?.reconnect(because: .sentinelsMoved(), to: master, isNews: isNews)
        }
    }

    func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element]
    ) async throws(CacheError) -> [Operation.Output] {
        try await Chunks.perform(operation, elements) { batch throws(CacheError) in try await send(batch) }
    }

    func send(_ batch: CommandBatch, for key: String?) async throws(CacheError) -> [RESPValue] {
        try await send(batch)
    }

    /// Sends a batch, and again to the master's successor where a server refused it for what it is: that had no effect.
    private func send(_ batch: CommandBatch) async throws(CacheError) -> [RESPValue] {
        var sendings = 0
        while true {
            let generation = node.generation
            let replies = try await node.send(batch)
            guard let refusal = replies.lazy.compactMap(Self.refusal).first else { return replies }
            node.leave(generation, because: .redisReply(refusal))
            let isUndone = batch.isIdempotent || replies.allSatisfy { Self.refusal($0) != nil }
            sendings += 1
            if sendings == Self.maximumSendings || !isUndone { return replies }
        }
    }

    /// The text of an error by which a server says that it is not (yet) a master. In a script it is that of the command
    /// within, which until Redis 6 was quoted behind other words.
    static func refusal(_ reply: RESPValue) -> String? {
        guard case .error(let text) = reply else { return nil }
        for word in ["READONLY", "LOADING", "MASTERDOWN"] where text.hasPrefix(word) { return text }
        return text.hasPrefix("ERR Error running script") && text.contains("-READONLY ") ? "READONLY" : nil
    }

    /// Where the present connection leads; asks the sentinels when there is none.
    func masters() async throws(CacheError) -> [RedisEndpoint] {
        if let endpoint = node.connectedEndpoint { return [endpoint] }
        return [try await directory.master(within: node.settings.connectTimeout)]
    }

    func servers() async throws(CacheError) -> [RedisNode] { [node] }

    var warnings: [String] { node.warnings }
    var breaker: RemoteBreaker { node.breaker }

    func close() {
        node.close()
        subscription.close()
    }
}
