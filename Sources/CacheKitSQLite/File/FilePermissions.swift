internal import CacheKitCore
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Who but its owner can change, replace or read the file.
///
/// What anyone on the machine can change is refused: they could put an older file in its place, which is authentic. What a group
/// can change, or others can read, is logged: it may be meant so, and the file is sealed. Nothing's mode is changed.
enum FilePermissions {
    /// Refuses a folder in which anyone may rename and remove what is another's.
    static func checkFolder(of path: String, _ logger: Logger) throws(CacheError) {
        let status = try status(of: folder(of: path), "looking at the folder")
        guard status.st_mode & S_IFMT == S_IFDIR else { throw CacheError(errno: ENOTDIR, "looking at the folder") }
        // The sticky bit lets only the owner of a file do that, as in /tmp.
        guard status.st_mode & S_ISVTX == 0 else { return }
        guard status.st_mode & S_IWOTH == 0 else {
            throw CacheError(
                .unsafePermissions,
                "every user may replace files in the database's folder; take that right away (chmod o-w), or use another"
            )
        }
        if status.st_mode & S_IWGRP != 0 {
            logger.warning("a group may replace files in the database's folder; chmod g-w unless that is meant")
        }
    }

    /// Checks what stands at the path before SQLite opens it; `nil` says nothing of what is merely doubtful.
    static func check(_ path: String, _ logger: Logger?) throws(CacheError) {
        // lstat(2): a link could lead anywhere, and where it leads could change.
        let status = try status(of: path, "looking at the database file", followsLink: false)
        let kind = status.st_mode & S_IFMT
        guard kind != S_IFLNK else { throw CacheError(errno: ELOOP, "opening the database file") }
        guard kind == S_IFREG else {
            throw CacheError(.notADatabase, "the path does not name a regular file; check the path")
        }
        // Root works on everyone's files, and SQLite gives the log to the owner of the database.
        guard status.st_uid == geteuid() || geteuid() == 0 else {
            throw CacheError(
                .unsafePermissions, "the database file is another user's; open it as that user, or use another")
        }
        guard status.st_mode & S_IWOTH == 0 else {
            throw CacheError(
                .unsafePermissions, "every user may write to the database file; take that right away (chmod 600)")
        }
        if status.st_mode & (S_IWGRP | S_IRWXO | S_IRGRP) != 0 {
            logger?.warning("others than its owner may read or write the database file; chmod 600 unless that is meant")
        }
        guard access(path, R_OK | W_OK) == 0 else { throw CacheError(errno: errno, "opening the database file") }
    }

    /// The folder that a path lies in.
    static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    private static func status(
        of path: String, _ action: StaticString, followsLink: Bool = true
    ) throws(CacheError) -> stat {
        var status = stat()
        guard (followsLink ? stat(path, &status) : lstat(path, &status)) == 0 else {
            throw CacheError(errno: errno, action)
        }
        return status
    }
}
