internal import CacheKit
internal import CacheKitCore

extension RedisConfiguration {
    /// The topology that the address asks for.
    func makeTopology(_ url: RedisURL, _ context: RemoteStoreContext) throws(CacheError) -> any Topology {
        guard !url.usesTLS else { throw CacheError(.invalidConfiguration, "TLS is not built yet; use redis://") }
        switch url.topology {
        case .single:
            let node = RedisNode(nodeSettings(url, url.endpoint, context), logger: context.logger)
            return SingleTopology(endpoint: url.endpoint, node: node)
        case .sentinel, .cluster:
            throw CacheError(.invalidConfiguration, "Sentinel and Cluster are not built yet; use redis://")
        }
    }

    /// How one of the servers is reached and logged into.
    func nodeSettings(_ url: RedisURL, _ endpoint: RedisEndpoint, _ context: RemoteStoreContext) -> RedisNode.Settings {
        RedisNode.Settings(
            dialer: Dialer(endpoint: endpoint, allowsLinkLocal: allowsLinkLocal),
            login: Login(credentials: url.credentials, database: url.database, clientName: clientName),
            credentials: credentials, connectTimeout: connectTimeout,
            limits: RedisConnection.Limits(
                commandTimeout: commandTimeout, commandsInFlight: maximumCommandsInFlight,
                bytesInFlight: maximumBytesInFlight, waitingCallers: maximumWaitingCallers,
                // The margin is for what surrounds a value in the stream, and for other replies than values.
                valueBytes: maximumReplyBytes ?? (context.maximumValueBytes + 64 << 10)),
            backoff: Backoff(first: initialBackoff, longest: maximumBackoff))
    }
}
