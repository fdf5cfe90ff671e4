import CacheKitCore

/// Looking at the whole configuration before anything is opened.
extension Cache {
    /// - Returns: what opens the local store; `nil` without a key.
    static func check(
        _ configuration: CacheConfiguration, _ local: some LocalStoreProvider, _ remote: some RemoteStoreProvider,
        _ sync: some SynchronizerProvider, _ encryption: Encryption
    ) throws(CacheError) -> LocalStoreKeys? {
        let hasLocal = !(local is NoStore)
        let hasRemote = !(remote is NoStore)
        var problems = configuration.problems + local.problems + remote.problems + sync.problems
        if hasLocal, hasRemote, sync is NoSynchronizer {
            problems.append(ConfigurationProblem(text: OpenedStores.missingSynchronizer.message))
        }
        if !hasLocal, encryption.choice == .relay {
            problems.append(
                ConfigurationProblem(text: "a relay key opens a local file and nothing else; give one"))
        }
        do throws(CacheError) {
            let keys = try encryption.keys()
            if hasLocal, keys == nil { throw missingFileKey }
            try CacheError.check(problems)
            return keys
        } catch {
            // A mistake with a code of its own keeps it where it is the only one.
            guard !problems.isEmpty, error.code != .invalidConfiguration else { throw error }
            throw CacheError(mistakes: problems.map(\.description) + [error.message]) ?? error
        }
    }

    private static var missingFileKey: CacheError {
        CacheError(
            .missingMasterKey,
            "a local file is always encrypted: give .plain(fileKey:) a key, such as .environment, or use .secure(key:)")
    }
}
