import CacheKit

/// A lock that is taken by one request and given back by another.
struct HeldLock: Sendable {
    private let holding: Task<CacheError?, Never>
    private let releasing: AsyncStream<Void>.Continuation

    /// Takes it, or throws what the cache says.
    init(_ cache: Cache, _ key: CacheKey, wait: Duration) async throws(CacheError) {
        let (acquired, acquiring) = AsyncStream.makeStream(of: Void.self)
        let (released, releasing) = AsyncStream.makeStream(of: Void.self)
        self.releasing = releasing
        holding = Task {
            defer { acquiring.finish() }
            do {
                try await cache.withLock(for: key, wait: wait) {
                    acquiring.yield()
                    for await _ in released {}
                }
                return nil
            } catch {
                return error as? CacheError ?? CacheError(.cancelled, "the holder was cancelled")
            }
        }
        for await _ in acquired { return }
        if let error = await holding.value { throw error }
    }

    /// Gives it back, or throws what the cache says.
    func release() async throws(CacheError) {
        releasing.finish()
        if let error = await holding.value { throw error }
    }
}

extension Peer {
    func lock(_ request: Request) async throws(CacheError) -> MessagePackValue {
        let wait = Duration.milliseconds(try request.integer("milliseconds"))
        held = try await HeldLock(cache(request), CacheKey(request.string("key")), wait: wait)
        return [:]
    }

    func unlock() async throws(CacheError) -> MessagePackValue {
        guard let lock = held else { throw Request.malformed("lock") }
        held = nil
        try await lock.release()
        return [:]
    }
}
