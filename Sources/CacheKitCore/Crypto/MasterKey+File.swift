import COpenSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

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
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            guard errno == ENOENT else {
                throw CacheError(.inputOutput, "the key file can't be opened (\(String(cString: strerror(errno))))")
            }
            throw CacheError(
                .missingMasterKey, "the key file does not exist; make one with `cachekit keys generate`")
        }
        defer { close(descriptor) }
        try Self.checkMode(of: descriptor)
        var bytes = [UInt8](repeating: 0, count: Self.maximumFileByteCount + 1)
        defer { bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        let count = try Self.read(descriptor, into: &bytes)
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

    private static func checkMode(of descriptor: Int32) throws(CacheError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw CacheError(.inputOutput, "the key file can't be examined (\(String(cString: strerror(errno))))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CacheError(.invalidConfiguration, "the key file is not a regular file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw CacheError(
                .invalidConfiguration, "the key file is open to others than its owner; run `chmod 600` on it")
        }
    }

    // Returns how many bytes were read; one more than the limit if the file goes on.
    private static func read(_ descriptor: Int32, into bytes: inout [UInt8]) throws(CacheError) -> Int {
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { buffer in
                #if canImport(Glibc)
                    Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
                #elseif canImport(Musl)
                    Musl.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
                #else
                    Darwin.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
                #endif
            }
            if got == 0 { return count }
            if got < 0 {
                guard errno == EINTR else {
                    throw CacheError(.inputOutput, "the key file can't be read (\(String(cString: strerror(errno))))")
                }
                continue
            }
            count += got
        }
        return count
    }
}
