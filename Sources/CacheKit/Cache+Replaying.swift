public import CacheKitCore

extension Cache {
    /// Sends changes that the local store holds to the remote again: after the remote was lost, restored or moved, or somebody
    /// deleted what they should not have.
    ///
    /// Idempotent: what the remote has stays as it is, and so does what is newer there. Ends after the batch in flight when its
    /// task is cancelled; a later call with the same selection and policy, in whatever process, goes on from there. Holds two
    /// batches in memory at most.
    ///
    /// - Parameter progress: Told after every batch.
    /// - Returns: How far it got, with the error that ended it, if one did; `nil` without a synchronizer.
    /// - Throws: where it could not begin: ``CacheError/Code/leaseHeld`` for pending changes while another process pushes them,
    ///   ``CacheError/Code/missingMasterKey`` with a relay key.
    public func replay(
        _ selection: ReplaySelection, _ options: ReplayOptions = .init(),
        progress: @escaping @Sendable (ReplayReport) -> Void = { _ in }
    ) async throws(CacheError) -> ReplayReport? {
        try sealer.requireKey()
        return try await synchronizer?.replay(selection, options, progress: progress)
    }

    /// Replays that have not ended, the oldest first.
    public func unfinishedReplays() async throws(CacheError) -> [ReplayReport] {
        try await synchronizer?.unfinishedReplays() ?? []
    }
}
