public import CacheKitCore

/// What opens a local store.
public enum LocalStoreKeys: Sendable {
    /// Master keys: everything opens.
    case keyring(Keyring)
    /// Index and metadata only: changes can be carried to a remote, and no value opens.
    case relay(RelayKey)

    /// The master keys.
    ///
    /// - Throws: ``CacheError/Code/missingMasterKey`` where there is only a relay key.
    package var keyring: Keyring {
        get throws(CacheError) {
            guard case .keyring(let keyring) = self else { throw .relayKeyOpensNothing() }
            return keyring
        }
    }

    package var isRelay: Bool { if case .relay = self { true } else { false } }
}
