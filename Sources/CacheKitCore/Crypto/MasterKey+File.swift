import COpenSSL

extension MasterKey {
    // Larger than any sensible key, small enough that a wrong path costs nothing.
    private static let maximumFileByteCount = 8192

    /// Reads a key file: hex digits, then at most one newline.
    ///
    /// - Throws: ``CacheError/Code/missingMasterKey`` when there is no such file,
    ///   ``CacheError/Code/invalidConfiguration`` when others than its owner may read it (`chmod 600`), or it is no
    ///   regular file, ``CacheError/Code/inputOutput`` when it can't be read, ``CacheError/Code/invalidMasterKey`` when
    ///   it does not hold a key.
    public init(file path: String) throws(CacheError) {
        var bytes = [UInt8](repeating: 0, count: Self.maximumFileByteCount + 1)
        defer { bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        // The standard library's own form throws any error.
        let outcome = bytes.withUnsafeMutableBytes { storage in
            Result { () throws(CacheError) in
                try KeyFile.read(path, "key file", remedy: "make one with `cachekit keys generate`", into: storage)
            }
        }
        let count = try outcome.get()
        guard count <= Self.maximumFileByteCount else {
            throw CacheError(
                .invalidMasterKey, "the key file is larger than \(Self.maximumFileByteCount) bytes; it holds no key")
        }
        let hex = bytes[..<count]
        do {
            try self.init(hex: hex.last == UInt8(ascii: "\n") ? hex.dropLast() : hex)
        } catch {
            throw CacheError(error.code, "key file: \(error.message)")
        }
    }
}
