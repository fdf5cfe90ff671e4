internal import CacheKit
internal import CacheKitCore

/// One server that has every key.
struct SingleTopology: Topology {
    let endpoint: RedisEndpoint
    let node: RedisNode

    func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element]
    ) async throws(CacheError) -> [Operation.Output] {
        try await Chunks.perform(operation, elements) { batch throws(CacheError) in try await node.send(batch) }
    }

    func send(_ batch: CommandBatch, for key: String?) async throws(CacheError) -> [RESPValue] {
        try await node.send(batch)
    }

    func masters() async throws(CacheError) -> [RedisEndpoint] { [endpoint] }

    func servers() async throws(CacheError) -> [RedisNode] { [node] }

    var warnings: [String] { node.warnings }
    var breaker: RemoteBreaker { node.breaker }

    func close() { node.close() }
}
