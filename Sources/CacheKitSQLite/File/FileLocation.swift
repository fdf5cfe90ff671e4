internal import CSQLite
internal import CacheKit
internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Where a file lives: the machine, that machine's current start, and the inode; sealed in `meta`.
///
/// A copy has another inode, a copy on another machine another machine too, and a machine that was restored from a
/// snapshot of its disk another start. Whoever opens a file that is not where it was gives it a new node id.
/// A file system gives an inode's number again after the file is gone; the time when it was made tells the two apart where the
/// file system keeps it. What can't be read is zeros and compares like anything else.
struct FileLocation: Equatable {
    static let name = "location"
    static let byteCount = 56

    /// Digest of the machine's id, which must not be shown (machine-id(5)).
    var machine: [UInt8]
    /// Digest of the id that the kernel draws at each start (random(4)).
    var boot: [UInt8]
    var device: UInt64
    var inode: UInt64
    /// Nanoseconds since the epoch.
    var birth: UInt64

    /// Where the configured file is now.
    static func current(_ configuration: SQLiteConfiguration) throws(CacheError) -> FileLocation {
        // By its path: closing a descriptor of the database would release every lock that this process has on it
        // (https://www.sqlite.org/howtocorrupt.html).
        var status = stat()
        guard stat(configuration.path, &status) == 0 else {
            throw CacheError(errno: errno, "reading the database file")
        }
        return FileLocation(
            machine: try digest(ofFile: configuration.machineIDPath),
            boot: try digest(ofFile: configuration.bootIDPath),
            device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino),
            birth: ck_birth_time(configuration.path))
    }

    private static func digest(ofFile path: String) throws(CacheError) -> [UInt8] {
        let nothing = [UInt8](repeating: 0, count: 16)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nothing }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nothing }
        let label = Array("cachekit location v1".utf8)
        return Array(try SHA256.digest(label + bytes.prefix(count)).prefix(16))
    }

    /// What differs, in words for a log; `nil` if nothing does.
    func difference(from former: FileLocation?) -> String? {
        guard let former else { return "it does not say where it was" }
        if self == former { return nil }
        if machine != former.machine { return "another machine" }
        if (device, inode, birth) != (former.device, former.inode, former.birth) {
            return "another file: a copy or a restored backup"
        }
        return "the machine was started anew"
    }

    /// A node id that nothing repeats: from the system's generator, which is reseeded when a machine is restored.
    static func drawNode() -> UInt64 { UInt64.random(in: 1 ... .max) }
}

extension FileLocation {
    /// Machine (16), boot (16), device (8), inode (8), birth (8).
    var encoded: [UInt8] {
        var bytes = machine + boot
        for number in [device, inode, birth] { bytes.append(bigEndian: number) }
        return bytes
    }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        machine = Array(bytes[..<16])
        boot = Array(bytes[16..<32])
        (device, inode, birth) = bytes.withUnsafeBytes {
            ($0.bigEndian(at: 32), $0.bigEndian(at: 40), $0.bigEndian(at: 48))
        }
    }
}
