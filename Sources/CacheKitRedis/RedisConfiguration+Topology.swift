internal import CacheKit
internal import CacheKitCore

extension RedisConfiguration {
    /// What TLS connections of the address share; `nil` for plain ones.
    func makeTLSContext(_ url: RedisURL) throws(CacheError) -> TLSContext? {
        guard url.usesTLS else {
            guard tls == nil else {
                throw CacheError(.invalidConfiguration, "TLS is configured and the address is plain; use rediss://")
            }
            return nil
        }
        return try TLSContext(tls ?? RedisTLS())
    }

    /// The topology that the address asks for.
    func makeTopology(_ url: RedisURL, _ context: RemoteStoreContext) throws(CacheError) -> any Topology {
        guard url.usesTLS == (tlsContext != nil) else { throw .tlsMissing() }
        switch url.topology {
        case .single:
            let node = RedisNode(nodeSettings(url, url.endpoint, context), logger: context.logger)
            return SingleTopology(endpoint: url.endpoint, node: node)
        case .sentinel(let master):
            let settings = nodeSettings(url, url.endpoint, context)
            let directory = SentinelDirectory(
                master: master, sentinels: url.endpoints, dialer: settings.dialer,
                login: SentinelLogin(provider: sentinelCredentials, clientName: clientName), logger: context.logger)
            return SentinelTopology(settings, directory, logger: context.logger)
        case .cluster: return clusterTopology(url, context)
        }
    }

    private func clusterTopology(_ url: RedisURL, _ context: RemoteStoreContext) -> ClusterTopology {
        ClusterTopology(
            map: ClusterMap.Settings(
                seeds: url.endpoints, patience: min(connectTimeout, .milliseconds(500)),
                timeout: connectTimeout + commandTimeout, waitingCallers: maximumWaitingCallers),
            bounds: ClusterRoute.Bounds(
                time: commandTimeout,
                backoff: Backoff(first: initialBackoff, longest: min(maximumBackoff, .milliseconds(500)))),
            readsFromReplicas: readsFromReplicas, logger: context.logger
        ) { [self] key in
            var settings = nodeSettings(url, key.endpoint, context)
            settings.login.readsFromReplica = key.isReplica
            return settings
        }
    }

    /// How one of the servers is reached and logged into.
    func nodeSettings(_ url: RedisURL, _ endpoint: RedisEndpoint, _ context: RemoteStoreContext) -> RedisNode.Settings {
        RedisNode.Settings(
            dialer: Dialer(endpoint: endpoint, allowsLinkLocal: allowsLinkLocal, tls: tlsContext),
            login: Login(credentials: url.credentials, database: url.database, clientName: clientName),
            credentials: credentials, connectTimeout: connectTimeout,
            limits: RedisConnection.Limits(
                commandTimeout: commandTimeout, commandsInFlight: maximumCommandsInFlight,
                bytesInFlight: maximumBytesInFlight, waitingCallers: maximumWaitingCallers,
                // The margin is for what surrounds a value in the stream, and for other replies than values.
                valueBytes: maximumReplyBytes ?? (context.maximumValueBytes + 64 << 10)),
            observer: observer,
            breaker: CircuitBreaker(
                threshold: breakerThreshold, backoff: Backoff(first: initialBackoff, longest: maximumBackoff)),
            largeValueBytes: largeValueBytes, largeValueIdle: largeValueIdle)
    }
}
