internal import CacheKitCore

/// One server that has every key.
struct SingleTopology: Topology {
    let endpoint: RedisEndpoint
    let node: RedisNode

    func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element]
    ) async throws(CacheError) -> [Operation.Output] {
        var outputs: [Operation.Output] = []
        outputs.reserveCapacity(elements.count)
        for chunk in Chunks.cut(elements, operation) {
            let units = Units(elements[chunk], operation)
            do throws(CacheError) {
                let replies = try await node.send(units.batch)
                try units.decode(replies, into: &outputs)
            } catch {
                // Chunks before this one have taken effect.
                let isUnsent = error.code == .remoteUnavailable || error.code == .backPressure
                guard !operation.isIdempotent, !outputs.isEmpty, isUnsent else { throw error }
                throw .redisUnanswered(error)
            }
        }
        return outputs
    }

    func send(_ batch: CommandBatch, for key: String?) async throws(CacheError) -> [RESPValue] {
        try await node.send(batch)
    }

    func masters() async throws(CacheError) -> [RedisEndpoint] { [endpoint] }

    func close() { node.close() }
}
