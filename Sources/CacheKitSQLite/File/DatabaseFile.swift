internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// The file as the operating system sees it, before SQLite does.
enum DatabaseFile {
    /// "CKv1", big-endian, in the header's application id (https://www.sqlite.org/fileformat2.html#application_id).
    static let applicationID: Int32 = 0x434B_7631
    private static let headerByteCount = 100
    private static let magic = Array("SQLite format 3\0".utf8)

    /// Creates the file, readable by its owner only, if there is none. Never touches one that exists.
    ///
    /// SQLite gives log and shared memory the mode of the database.
    static func createIfMissing(_ path: String) throws(CacheError) {
        guard !exists(path) else { return }
        try CreationMark.set(path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return }
            throw CacheError(errno: errno, "creating the database file")
        }
        defer { close(descriptor) }
        // The process's umask can only have taken bits away.
        guard fchmod(descriptor, 0o600) == 0 else { throw CacheError(errno: errno, "setting the file's mode") }
    }

    /// Whether the file that a connection was opened on is empty and new: creation stopped before its one transaction, or
    /// has not begun. An empty file that nobody was making has lost what it held.
    ///
    /// Anything else must be a CacheKit database. Looks at the header only, and through SQLite's own descriptor: closing
    /// another one would release every lock that this process holds on the file
    /// (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    static func isNew(_ connection: SQLiteConnection, _ path: String) throws(CacheError) -> Bool {
        // A power cut can leave any part of the first page: SQLite takes it back by the journal with the first read. What
        // fails there is met again below or by the next statement.
        if byteCount(path + "-journal") > 0 { _ = try? connection.integer("PRAGMA schema_version") }
        // Not SQLite's own idea of the length: it takes one byte for none.
        let count = min(byteCount(path), headerByteCount)
        guard count > 0 else {
            // The schema is written before the log comes into use: a log beside an empty file means a loss. So does the
            // lease, which is made when a file is first opened with a remote.
            guard byteCount(path + "-wal") == 0, !exists(path + "-lease") else { throw truncated }
            guard !CreationMark.isSet(path) else { return true }
            // Whoever made it may have finished between the two looks.
            guard byteCount(path) == 0 else { return try isNew(connection, path) }
            throw CacheError(
                .damagedStore,
                "the file is empty, so what it held is lost; restore a backup, or remove it to begin with an empty one")
        }
        try checkHeader(connection.rawBytes(count: count), path)
        return false
    }

    private static func checkHeader(_ header: [UInt8], _ path: String) throws(CacheError) {
        let count = header.count
        guard header.prefix(min(count, 16)).elementsEqual(magic.prefix(min(count, 16))) else {
            throw CacheError(.notADatabase, "the file is not a CacheKit database; check the path")
        }
        guard count == headerByteCount else { throw truncated }
        func field(_ offset: Int) -> UInt32 { header[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        guard field(68) == UInt32(applicationID) else {
            throw CacheError(.notADatabase, "the file is another application's database; check the path")
        }
        // SQLite would take a write version that it does not know for a file system that is read-only, and a format of 0
        // for a new file.
        guard (1...2).contains(header[18]), (1...2).contains(header[19]), (1...UInt32(Int32.max)).contains(field(60))
        else {
            throw CacheError(.damagedStore, "the file's header is damaged; keep a copy and run 'cachekit doctor'")
        }
        let pageSize = header[16...17].reduce(0) { $0 << 8 | Int($1) }
        // The length counts only where the version beside it is that of the file (fileformat2.html#in_header_database_size).
        guard field(24) == field(92), Int(field(28)) * pageSize > byteCount(path) else { return }
        // With a log, pages may be in that only; with a journal, another process is writing them. Then SQLite looks.
        guard byteCount(path + "-wal") == 0, byteCount(path + "-journal") == 0 else { return }
        // What was being written when the header was read has been written by now.
        guard Int(field(28)) * pageSize > byteCount(path) else { return }
        throw truncated
    }

    private static var truncated: CacheError {
        CacheError(.damagedStore, "the file is shorter than it should be; keep a copy and run 'cachekit doctor'")
    }

    /// Whether anything is at the path, a symbolic link that leads nowhere included.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Makes names in the file's folder durable.
    static func syncFolder(of path: String) throws(CacheError) {
        let descriptor = open(FilePermissions.folder(of: path), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CacheError(errno: errno, "opening the database's folder") }
        defer { close(descriptor) }
        // Some file systems know no such call for folders, and keep names in order without it.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw CacheError(errno: errno, "syncing the database's folder")
        }
    }

    /// Length of a file; 0 if there is none.
    static func byteCount(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }
}
