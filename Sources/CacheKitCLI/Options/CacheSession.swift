import CacheKit

/// Opens a cache, works with it, and closes it, however the work ends.
func withCache<Result>(_ cache: Cache, _ body: (Cache) async throws -> Result) async throws -> Result {
    do {
        let result = try await body(cache)
        await cache.shutdown(deadline: .zero)
        return result
    } catch {
        await cache.shutdown(deadline: .zero)
        throw error
    }
}

/// After a write to a file with Redis beside it: sends what is pending, and says so when something stays behind.
func pushAfterWriting(_ cache: Cache) async {
    guard let status = await cache.push(deadline: .seconds(10)), status.backlog.changes > 0 else { return }
    let reason = status.lastError.map { " (\($0.message))" } ?? ""
    StandardError.write(
        "cachekit: stored in the file; \(status.backlog.changes) changes wait for Redis\(reason); send them later with: cachekit sync push"
    )
}
