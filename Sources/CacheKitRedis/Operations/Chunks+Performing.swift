internal import CacheKitCore

extension Chunks {
    /// Does an operation on each element, one batch after the other; all go where `send` sends them.
    static func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element],
        sending send: (CommandBatch) async throws(CacheError) -> [RESPValue]
    ) async throws(CacheError) -> [Operation.Output] {
        var outputs: [Operation.Output] = []
        outputs.reserveCapacity(elements.count)
        for chunk in cut(elements, operation) {
            var units = Units(elements[chunk], operation)
            do throws(CacheError) {
                var replies = try await send(units.batch)
                if let alternative = units.alternative(after: replies) {
                    units = Units(elements[chunk], alternative)
                    replies = try await send(units.batch)
                }
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
}
