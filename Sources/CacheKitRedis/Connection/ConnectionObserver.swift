/// Is told of a server's connections as they come and go, on their I/O threads.
protocol ConnectionObserver: Sendable {
    /// A connection was made. Nobody uses it yet: what is begun on it here goes first.
    func connected(_ connection: RedisConnection, to endpoint: RedisEndpoint)
    /// It has ended.
    func lost(_ connection: RedisConnection, from endpoint: RedisEndpoint)
}
