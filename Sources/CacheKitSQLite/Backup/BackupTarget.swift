internal import CacheKitCore
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Where a backup goes: a file beside the target that takes its name once it is whole, and is removed otherwise.
///
/// A process that is killed leaves the file under its own name, `<target>-partial-<8 hex digits>`, never under the target's.
final class BackupTarget {
    let partialPath: String
    private let path: String
    private let folder: String

    /// Creates the partial file, for its owner only.
    ///
    /// - Throws: `invalidArgument` where anything stands at the target or a log beside it, `readOnlyStore`, `unsafePermissions`, `diskFull`,
    ///   `inputOutput`.
    init(_ path: String, _ logger: Logger) throws(CacheError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw CacheError(.invalidArgument, "the path of the backup is empty or holds a NUL; name a new file")
        }
        // What lies there as log or journal, SQLite would apply to the copy when that is opened.
        for suffix in ["", "-wal", "-shm", "-journal"] where DatabaseFile.exists(path + suffix) { throw Self.taken }
        folder = FilePermissions.folder(of: path)
        try FilePermissions.checkFolder(of: path, logger)
        self.path = path
        partialPath = path + "-partial-" + (try RandomBytes.draw(4).map(Self.hex).joined())
        let descriptor = open(partialPath, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "creating the backup") }
        close(descriptor)
        guard chmod(partialPath, 0o600) == 0 else {
            let number = errno
            remove()
            throw CacheError(errno: number, "setting the backup's mode")
        }
    }

    deinit {
        remove()
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    private static var taken: CacheError {
        CacheError(
            .invalidArgument,
            "a file, or a log of one, is at the target already; a backup replaces none: name a new file")
    }

    /// Makes the bytes of the partial file durable.
    func sync() throws(CacheError) {
        try Self.sync(partialPath, O_RDWR)
    }

    /// Gives the partial file the target's name, durably. A name that was taken meanwhile stays with whoever took it.
    func publish() throws(CacheError) {
        // link(2), not rename(2), which would replace what is there.
        guard link(partialPath, path) == 0 else {
            let number = errno
            if number == EEXIST { throw Self.taken }
            throw CacheError(errno: number, "naming the backup")
        }
        do throws(CacheError) {
            remove()
            try Self.sync(folder, O_RDONLY)
        } catch {
            unlink(path)
            throw error
        }
    }

    private func remove() {
        for suffix in ["", "-journal", "-wal", "-shm"] { unlink(partialPath + suffix) }
    }

    private static func sync(_ path: String, _ mode: Int32) throws(CacheError) {
        let descriptor = open(path, mode | O_CLOEXEC)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "syncing the backup") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CacheError(errno: errno, "syncing the backup") }
    }
}
