import CacheKitCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The bytes of a file of settings, and who else may read it.
struct SettingsFile {
    /// Longer than anybody writes by hand, short enough that a wrong path costs nothing.
    private static let maximumByteCount = 1 << 20

    let bytes: [UInt8]
    /// Whether others than its owner may read it.
    let isOpenToOthers: Bool

    /// - Throws: `inputOutput`, without the path.
    init(_ path: String) throws(CacheError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure("can't be opened") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure("can't be examined") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CacheError(.inputOutput, "the file of settings is not a regular file; check the path")
        }
        guard status.st_size <= Self.maximumByteCount else {
            throw CacheError(.inputOutput, "the file of settings is larger than 1 MiB; check the path")
        }
        isOpenToOthers = status.st_mode & 0o077 != 0
        bytes = try Self.contents(of: descriptor)
    }

    private static func contents(of descriptor: Int32) throws(CacheError) -> [UInt8] {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= maximumByteCount {
            let count = read(descriptor, &part, part.count)
            if count == 0 { return bytes }
            if count < 0 {
                guard errno == EINTR else { throw failure("can't be read") }
                continue
            }
            bytes += part[..<count]
        }
        throw CacheError(.inputOutput, "the file of settings grows while it is read; write it before it is read")
    }

    private static func failure(_ what: String) -> CacheError {
        CacheError(.inputOutput, "the file of settings \(what) (\(String(cString: strerror(errno)))); check the path")
    }
}
