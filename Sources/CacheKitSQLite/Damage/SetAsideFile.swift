internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A new file, its owner's alone, that keeps what is taken out of a database: one row to a line.
final class SetAsideFile: Sendable {
    private let path: String
    private let descriptor: Int32

    /// Creates the file; one that exists is never touched.
    init(_ path: String) throws(CacheError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST {
                throw CacheError(.invalidArgument, "the file to set rows aside into exists; name another one")
            }
            throw CacheError(errno: errno, "creating the file to set rows aside into")
        }
    }

    deinit { close(descriptor) }

    func append(_ bytes: [UInt8]) throws(CacheError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno != EINTR { throw CacheError(errno: errno, "writing what is set aside") }
            rest = rest.dropFirst(max(written, 0))
        }
    }

    /// Makes what was written last, before it goes from the database.
    func sync() throws(CacheError) {
        guard fsync(descriptor) == 0 else { throw CacheError(errno: errno, "syncing what is set aside") }
    }

    /// Removes the file if nothing was kept in it.
    func removeIfEmpty() {
        var status = stat()
        if fstat(descriptor, &status) == 0, status.st_size == 0 { unlink(path) }
    }

    /// Appends the whole of another file.
    func append(contentsOf path: String) throws(CacheError) {
        let source = open(path, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw CacheError(errno: errno, "opening the log") }
        defer { close(source) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(source, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw CacheError(errno: errno, "reading the log") }
            if count == 0 { return }
            try append(Array(buffer.prefix(count)))
        }
    }
}
