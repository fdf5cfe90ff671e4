import COpenSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension Keyring {
    /// The variable that holds the current master key, in hex.
    public static let masterKeyVariable = "CACHEKIT_MASTER_KEY"
    /// The variable that holds decrypt-only master keys, in hex, separated by commas.
    public static let previousMasterKeysVariable = "CACHEKIT_PREVIOUS_MASTER_KEYS"

    /// Reads the keyring from `CACHEKIT_MASTER_KEY` and `CACHEKIT_PREVIOUS_MASTER_KEYS`.
    ///
    /// - Parameter lookup: Gives the bytes of a variable, or `nil`; they are zeroed after use. The process's environment
    ///   unless given.
    /// - Throws: ``CacheError/Code/missingMasterKey`` when no current key is set,
    ///   ``CacheError/Code/invalidMasterKey`` when a key or the ring is not well formed.
    public static func environment(
        _ lookup: (_ variable: String) -> [UInt8]? = Keyring.processEnvironment
    ) throws(CacheError) -> Keyring {
        guard let current = try currentKey(lookup) else {
            throw CacheError(
                .missingMasterKey,
                "\(masterKeyVariable) is not set; make a key with `cachekit keys generate` and export it there")
        }
        return try Keyring(current: current, previous: previousKeys(lookup))
    }

    /// Reads only the decrypt-only keys from `CACHEKIT_PREVIOUS_MASTER_KEYS`, for a current key that comes from a file.
    public static func previousKeysFromEnvironment(
        _ lookup: (_ variable: String) -> [UInt8]? = Keyring.processEnvironment
    ) throws(CacheError) -> [MasterKey] {
        try previousKeys(lookup)
    }

    /// The bytes of a variable of this process, or `nil`.
    public static func processEnvironment(_ variable: String) -> [UInt8]? {
        guard let value = getenv(variable) else { return nil }
        return UnsafeRawBufferPointer(start: value, count: strlen(value)).map { $0 }
    }

    private static func currentKey(_ lookup: (String) -> [UInt8]?) throws(CacheError) -> MasterKey? {
        guard var hex = lookup(masterKeyVariable), !hex.isEmpty else { return nil }
        defer { cleanse(&hex) }
        return try named(masterKeyVariable) { () throws(CacheError) in try MasterKey(hex: hex) }
    }

    private static func previousKeys(_ lookup: (String) -> [UInt8]?) throws(CacheError) -> [MasterKey] {
        guard var list = lookup(previousMasterKeysVariable), !list.isEmpty else { return [] }
        defer { cleanse(&list) }
        let items = list.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        guard items.count <= maximumPreviousCount else {
            throw CacheError(
                .invalidMasterKey,
                "\(previousMasterKeysVariable) holds \(items.count) keys; at most \(maximumPreviousCount) are allowed")
        }
        var keys: [MasterKey] = []
        for item in items {
            keys.append(
                try named(previousMasterKeysVariable) { () throws(CacheError) in try MasterKey(hex: item) })
        }
        return keys
    }

    // Says which variable an error is about.
    private static func named(
        _ variable: String, _ body: () throws(CacheError) -> MasterKey
    ) throws(CacheError) -> MasterKey {
        do {
            return try body()
        } catch {
            throw CacheError(error.code, "\(variable): \(error.message)")
        }
    }

    private static func cleanse(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }
}
