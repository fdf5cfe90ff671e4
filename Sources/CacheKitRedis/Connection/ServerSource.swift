internal import CacheKitCore

/// Finds the server that a node is for, where that is not always the same. Blocks: for I/O threads only.
protocol ServerSource: Sendable {
    /// Finds it, connects and logs in as the settings say, all within the deadline.
    ///
    /// - Parameter onTarget: told where it is, before it is connected to.
    func open(
        _ settings: RedisNode.Settings, deadline: ContinuousClock.Instant, onTarget: (RedisEndpoint) -> Void
    ) throws(CacheError) -> OpenedStream
}

/// A stream that is logged in.
struct OpenedStream {
    let stream: any ByteStream
    let reader: RESPReader
    /// Where it leads.
    let endpoint: RedisEndpoint

    /// For what is to be said before the stream is shared.
    var exchange: Exchange { Exchange(stream: stream, reader: reader) }
}

extension RedisNode.Settings {
    /// Connects to wherever the server is now, and logs in. Blocks.
    func open(
        deadline: ContinuousClock.Instant, onTarget: (RedisEndpoint) -> Void
    ) throws(CacheError) -> OpenedStream {
        guard let source else { return try open(at: dialer.endpoint, deadline: deadline) }
        return try source.open(self, deadline: deadline, onTarget: onTarget)
    }

    /// Connects to one server and logs in. Blocks.
    func open(at endpoint: RedisEndpoint, deadline: ContinuousClock.Instant) throws(CacheError) -> OpenedStream {
        try dialer.open(at: endpoint, login, valueBytes: limits.valueBytes, deadline: deadline)
    }
}

extension Dialer {
    /// Connects to a server, by the rules of this dialer, and logs in. Blocks.
    func open(
        at endpoint: RedisEndpoint, _ login: Login, valueBytes: Int, deadline: ContinuousClock.Instant
    ) throws(CacheError) -> OpenedStream {
        var dialer = self
        dialer.endpoint = endpoint
        let reader = try RESPReader(maximumValueBytes: valueBytes)
        let stream = try dialer.dial(deadline: deadline)
        try login.perform(on: stream, reader, deadline: deadline)
        return OpenedStream(stream: stream, reader: reader, endpoint: endpoint)
    }
}
