internal import CacheKitCore

extension Chunks {
    typealias Send = @Sendable (CommandBatch) async throws(CacheError) -> [RESPValue]

    /// So many batches of a call are on their way at once where they may be: while the server is at one, another is made or
    /// taken apart.
    private static let maximumOverlap = 2

    /// Does an operation on each element; all go where `send` sends them.
    static func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element], sending send: @escaping Send
    ) async throws(CacheError) -> [Operation.Output] {
        let chunks = cut(elements, operation)
        guard operation.mayOverlap, chunks.count > 1 else {
            return try await performInTurn(operation, elements, chunks, send)
        }
        typealias Part = (index: Int, outputs: Result<[Operation.Output], CacheError>)
        let parts = await withTaskGroup(of: Part.self) { group in
            var parts = [Result<[Operation.Output], CacheError>](repeating: .success([]), count: chunks.count)
            func begin(_ index: Int) {
                group.addTask {
                    do throws(CacheError) {
                        return (index, .success(try await perform(operation, elements[chunks[index]], send)))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            for index in chunks.indices.prefix(maximumOverlap) { begin(index) }
            var next = min(maximumOverlap, chunks.count)
            while let part = await group.next() {
                parts[part.index] = part.outputs
                guard case .success = part.outputs, next < chunks.count else { continue }
                begin(next)
                next += 1
            }
            return parts
        }
        var outputs: [Operation.Output] = []
        outputs.reserveCapacity(elements.count)
        for part in parts { outputs += try part.get() }
        return outputs
    }

    private static func perform<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: ArraySlice<Operation.Element>, _ send: Send
    ) async throws(CacheError) -> [Operation.Output] {
        var units = Units(elements, operation)
        var replies = try await send(units.batch)
        if let alternative = units.alternative(after: replies) {
            units = Units(elements, alternative)
            replies = try await send(units.batch)
        }
        var outputs: [Operation.Output] = []
        outputs.reserveCapacity(elements.count)
        try units.decode(replies, into: &outputs)
        return outputs
    }

    /// One batch after the other.
    private static func performInTurn<Operation: KeyedOperation>(
        _ operation: Operation, _ elements: [Operation.Element], _ chunks: [Range<Int>], _ send: Send
    ) async throws(CacheError) -> [Operation.Output] {
        if chunks.count == 1 { return try await perform(operation, elements[...], send) }
        var outputs: [Operation.Output] = []
        outputs.reserveCapacity(elements.count)
        for chunk in chunks {
            do throws(CacheError) {
                outputs += try await perform(operation, elements[chunk], send)
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
