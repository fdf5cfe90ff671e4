internal import CacheKit
internal import CacheKitCore

/// Which servers there are, and which of them a key belongs to.
protocol Topology: Sendable {
    /// Whether one server has every key. If not, a read must not fail, or wait, because another one's server does.
    var hasOneServer: Bool { get }

    /// Does an operation on each element, split as the servers need it; outputs are in the order of the elements.
    ///
    /// - Throws: `mayHaveBeenApplied` when any of it may have taken effect and the outcome is not known.
    func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element]
    ) async throws(CacheError) -> [Operation.Output]

    /// Sends a batch about one key, or about none, to a server that may answer it; scripts too. A batch that writes is one
    /// command or one transaction, because it is redirected as a whole.
    func send(_ batch: CommandBatch, for key: String?) async throws(CacheError) -> [RESPValue]

    /// Where the masters are, as far as is known; asks where nothing is known yet.
    func masters() async throws(CacheError) -> [RedisEndpoint]

    /// The masters, each with its connections; asks where nothing is known yet.
    func servers() async throws(CacheError) -> [RedisNode]

    /// Where the masters are, where what is known may have changed without any call that would have met it.
    func confirmedMasters() async throws(CacheError) -> [RedisEndpoint]

    /// What slots have in common that one server has now, any number; `nil` where one has all, and as long as it is not known.
    func shard(of slot: Int) -> Int?

    /// Sentences for an operator, each about one server that is not asked now; empty when all is well.
    var warnings: [String] { get }
    /// The least good breaker of its servers.
    var breaker: RemoteBreaker { get }

    /// Ends every connection; later calls get `shutdown`.
    func close()
}

extension Topology {
    var hasOneServer: Bool { true }
    var warnings: [String] { [] }
    var breaker: RemoteBreaker { .closed }
    func shard(of slot: Int) -> Int? { nil }
    func confirmedMasters() async throws(CacheError) -> [RedisEndpoint] { try await masters() }
}
