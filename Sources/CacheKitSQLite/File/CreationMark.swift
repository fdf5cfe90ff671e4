internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The empty file `<path>-new`: it is there while the database is being made, and until the next opening if that was interrupted.
///
/// It tells an empty database that holds nothing yet from one that has lost everything. Whoever comes in between finds mark and
/// empty file, and makes the database too: its first transaction decides who does.
enum CreationMark {
    /// Before the database's name exists.
    static func set(_ path: String) throws(CacheError) {
        let descriptor = open(path + "-new", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "creating the database file") }
        close(descriptor)
        // Or a power cut could leave the empty database without it.
        try DatabaseFile.syncFolder(of: path)
    }

    static func isSet(_ path: String) -> Bool { DatabaseFile.exists(path + "-new") }

    /// Once the database has content.
    static func remove(_ path: String) { unlink(path + "-new") }
}
