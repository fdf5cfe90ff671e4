#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reading files that hold keys: only what is a regular file that nobody but its owner may touch.
enum KeyFile {
    /// Reads a file, at most as many bytes as there is room for.
    ///
    /// - Parameters:
    ///   - name: What messages call the file, such as `key file`.
    ///   - remedy: What to do where there is none.
    /// - Returns: how many bytes were read; what is full may not be the whole file.
    static func read(
        _ path: String, _ name: String, remedy: String, into storage: UnsafeMutableRawBufferPointer
    ) throws(CacheError) -> Int {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw failure("the \(name) can't be opened") }
            throw CacheError(.missingMasterKey, "the \(name) does not exist; \(remedy)")
        }
        defer { close(descriptor) }
        try checkMode(of: descriptor, name)
        return try fill(storage, from: descriptor, name)
    }

    static func failure(_ what: String) -> CacheError {
        CacheError(.inputOutput, "\(what) (\(String(cString: strerror(errno))))")
    }

    private static func checkMode(of descriptor: Int32, _ name: String) throws(CacheError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("the \(name) can't be examined") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CacheError(.invalidConfiguration, "the \(name) is not a regular file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw CacheError(
                .invalidConfiguration, "the \(name) is open to others than its owner; run `chmod 600` on it")
        }
    }

    private static func fill(
        _ storage: UnsafeMutableRawBufferPointer, from descriptor: Int32, _ name: String
    ) throws(CacheError) -> Int {
        var count = 0
        while count < storage.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: storage[count...])
            #if canImport(Glibc)
                let got = Glibc.read(descriptor, rest.baseAddress, rest.count)
            #elseif canImport(Musl)
                let got = Musl.read(descriptor, rest.baseAddress, rest.count)
            #else
                let got = Darwin.read(descriptor, rest.baseAddress, rest.count)
            #endif
            if got == 0 { return count }
            if got < 0 {
                guard errno == EINTR else { throw failure("the \(name) can't be read") }
                continue
            }
            count += got
        }
        return count
    }
}
