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

/// After a write to a file with Redis beside it: one try to send what is pending, no waiting for a Redis that is away. What
/// stays behind is told on one line.
///
/// - Returns: How the command ends where Redis refuses this user; `nil` otherwise, since the write itself is durable.
func pushAfterWriting(_ cache: Cache) async -> ExitStatus? {
    guard let status = await cache.push(deadline: .seconds(10), retrying: false), status.backlog.changes > 0,
        status.activity != .standby
    else { return nil }
    let count = status.backlog.changes
    let kept = count == 1 ? "the change is kept in the file and goes" : "\(count) changes are kept in the file and go"
    let reason = status.lastError.map { " (\($0.message))" } ?? ""
    StandardError.write("cachekit: \(kept) out with: cachekit sync push\(reason)")
    return status.lastError?.code == .remoteAuthentication ? .keyOrAuthentication : nil
}
