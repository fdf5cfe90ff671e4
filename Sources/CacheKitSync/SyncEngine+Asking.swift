import CacheKit
import CacheKitCore
import Synchronization

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

    /// Looks at the marks outside of a session: that needs no lease, and what a session knows of them stays as it is.
    func compareMarks() async throws(CacheError) {
        let sending = try await local.sendingState()
        let expected = sending.marks?.sequences.sorted { $0.key < $1.key } ?? []
        // Without marks nothing tells, unless nothing was ever sent.
        var areIntact = sending.marks?.bucketCount == remote.bucketCount || sending.sentThrough == .zero
        let asked = clock.uptime()
        let found = expected.isEmpty ? [] : try await remote.marks(of: sending.node, in: expected.map(\.key))
        for ((_, mark), answer) in zip(expected, found) {
            guard case .success(let there) = answer, there ?? 0 >= mark else {
                areIntact = false
                break
            }
        }
        state.withLock { $0.marksSeen = (asked, areIntact) }
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
