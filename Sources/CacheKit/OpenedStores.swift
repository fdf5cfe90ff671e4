import CacheKitCore

/// The stores of a cache, all opened or, after a failure, all closed again.
struct OpenedStores: Sendable {
    let local: (any LocalStore)?
    let remote: (any RemoteStore)?
    let synchronizer: (any Synchronizer)?
    let lastSequence: ChangeSequence

    init(
        _ localProvider: some LocalStoreProvider, _ remoteProvider: some RemoteStoreProvider,
        _ synchronizerProvider: some SynchronizerProvider, _ configuration: CacheConfiguration, _ keys: LocalStoreKeys?,
        _ clock: CorrectedClock, replaced: @escaping @Sendable ([CacheKey]) -> Void,
        lost: @escaping @Sendable () -> Void,
        checkingValue: @escaping @Sendable (CacheKey, [UInt8]) throws(CacheError) -> RemoteValue
    ) async throws(CacheError) {
        let remote = try await remoteProvider.openRemoteStore(
            RemoteStoreContext(
                logger: configuration.logger,
                maximumValueBytes: ByteStorage.maximumPackedByteCount(configuration.maximumValueBytes)
                    + SealingKey.overhead))
        var local: (any LocalStore)?
        do throws(CacheError) {
            if let keys {
                local = try await localProvider.openLocalStore(
                    LocalStoreContext(
                        keys: keys, tenant: configuration.tenant, hasRemote: remote != nil,
                        clock: clock, logger: configuration.logger))
            }
            try configuration.loading.checkLocks(local, remote)
            var synchronizer: (any Synchronizer)?
            if let local, let remote {
                synchronizer = try synchronizerProvider.makeSynchronizer(
                    SynchronizerContext(
                        local: local, remote: remote, clock: clock, logger: configuration.logger, replaced: replaced,
                        lost: lost, checkingValue: checkingValue))
                if synchronizer == nil { throw Self.missingSynchronizer }
            }
            lastSequence = try await local?.lastSequence() ?? .zero
            self.synchronizer = synchronizer
        } catch {
            // Their threads, locks and connections must not outlive a cache that was never made.
            await remote?.close()
            await local?.close()
            throw error
        }
        self.local = local
        self.remote = remote
    }

    static var missingSynchronizer: CacheError {
        CacheError(
            .invalidConfiguration,
            "a cache with a local and a remote store needs sync: .writeBehind(), or changes would never leave the file"
        )
    }
}
