import CacheKit

/// Calls of the remote. What nobody answers may be one shard alone: the machine decides, from an error in each place.
extension SyncEngine {
    /// The marks of a node.
    func marks(
        of node: UInt64, in buckets: [Int]
    ) async throws(CacheError) -> [Result<UInt64?, CacheError>] {
        guard !buckets.isEmpty else { return [] }
        do throws(CacheError) {
            return try await remote.marks(of: node, in: buckets)
        } catch {
            guard error.concernsOneShard else { throw error }
            return buckets.map { _ in .failure(error) }
        }
    }

    /// What came of pushes.
    func push(_ pushes: [BucketPush]) async throws(CacheError) -> [BucketAnswer] {
        guard !pushes.isEmpty else { return [] }
        do throws(CacheError) {
            return try await remote.push(pushes)
        } catch {
            guard error.concernsOneShard else { throw error }
            return pushes.map { _ in .failed(error) }
        }
    }

    /// What came of writes without versions.
    func write(_ writes: [RemoteWrite]) async throws(CacheError) -> [RemoteWriteResult] {
        do throws(CacheError) {
            return try await remote.write(writes)
        } catch {
            guard error.concernsOneShard else { throw error }
            return writes.map { _ in .failed(error) }
        }
    }
}
