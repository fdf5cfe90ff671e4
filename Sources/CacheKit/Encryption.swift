public import CacheKitCore

/// Whether values are sealed in memory and Redis. There is no default: secure or plain is always said.
///
/// A local file is encrypted either way and needs a key either way.
public struct Encryption: Sendable {
    enum Choice: Sendable {
        case secure
        case plain
        case relay
    }

    let choice: Choice
    private let source: (@Sendable () throws(CacheError) -> LocalStoreKeys)?

    private init(_ choice: Choice, _ source: (@Sendable () throws(CacheError) -> LocalStoreKeys)?) {
        self.choice = choice
        self.source = source
    }

    private init(_ choice: Choice, key: KeySource) {
        self.init(choice) { () throws(CacheError) in LocalStoreKeys.keyring(try key.load()) }
    }

    /// What opens the local store; `nil` without a key.
    func keys() throws(CacheError) -> LocalStoreKeys? { try source?() }

    /// Values are sealed with AES-256-GCM before they reach any tier.
    public static func secure(key: KeySource) -> Encryption {
        Encryption(.secure, key: key)
    }

    /// Values are readable in memory and Redis; the local file is sealed under `fileKey`.
    public static func plain(fileKey: KeySource) -> Encryption {
        Encryption(.plain, key: fileKey)
    }

    /// Values are readable in memory and Redis; for a cache without a local store.
    public static var plain: Encryption { Encryption(.plain, nil) }

    /// Nothing is opened or sealed: the cache only sends what its local file holds, with a key that
    /// `cachekit keys export --relay` wrote, and reports on it.
    ///
    /// Sealed values go out as with the master key. Plain ones, which the file seals, are parked as
    /// ``ParkedChange/Reason/needsKey``. Reading and writing throw ``CacheError/Code/missingMasterKey``.
    public static func relay(file path: String) -> Encryption {
        Encryption(.relay) { () throws(CacheError) in LocalStoreKeys.relay(try RelayKey(file: path)) }
    }
}

/// Where master keys come from.
public struct KeySource: Sendable {
    package let load: @Sendable () throws(CacheError) -> Keyring

    /// Whatever gives a keyring, asked when the cache is made.
    package init(load: @escaping @Sendable () throws(CacheError) -> Keyring) {
        self.load = load
    }

    /// `CACHEKIT_MASTER_KEY` and, decrypt-only, `CACHEKIT_PREVIOUS_MASTER_KEYS`, read when the cache is made.
    public static var environment: KeySource {
        KeySource { () throws(CacheError) in try Keyring.environment() }
    }

    /// A keyring that the caller made.
    public static func keyring(_ keyring: Keyring) -> KeySource {
        KeySource { () throws(CacheError) in keyring }
    }

    /// One master key that the caller has.
    public static func key(_ key: MasterKey) -> KeySource {
        KeySource { () throws(CacheError) in try Keyring(current: key) }
    }

    /// A file that holds one master key in hex, readable by its owner only.
    public static func file(_ path: String) -> KeySource {
        KeySource { () throws(CacheError) in try Keyring(current: MasterKey(file: path)) }
    }
}
