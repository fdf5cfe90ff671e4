public import CacheKitCore

/// Whether values are sealed in memory and Redis. There is no default: secure or plain is always said.
///
/// A local file is encrypted either way and needs a key either way.
public struct Encryption: Sendable {
    enum Choice: Sendable {
        case secure
        case plain
    }

    let choice: Choice
    let key: KeySource?

    /// Values are sealed with AES-256-GCM before they reach any tier.
    public static func secure(key: KeySource) -> Encryption {
        Encryption(choice: .secure, key: key)
    }

    /// Values are readable in memory and Redis; the local file is sealed under `fileKey`.
    public static func plain(fileKey: KeySource) -> Encryption {
        Encryption(choice: .plain, key: fileKey)
    }

    /// Values are readable in memory and Redis; for a cache without a local store.
    public static var plain: Encryption { Encryption(choice: .plain, key: nil) }
}

/// Where master keys come from.
public struct KeySource: Sendable {
    let load: @Sendable () throws(CacheError) -> Keyring

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
