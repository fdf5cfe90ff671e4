internal import CacheKit
internal import CacheKitCore
internal import Logging

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Sets a damaged file aside, so that a new one can be made in its place.
///
/// While it is locked, its log gets another name first, and only then the file loses its own: a new file must not find what belongs to
/// another one, and whoever makes it does not wait for that lock. Until then the file has both names, and a kill in between
/// leaves that to be seen.
///
/// What is kept, one generation of it: `<path>-damaged` with its log as `-damaged-wal`, so that `doctor` and `export` work on it. A
/// log without its file is kept as `<path>-damaged-log`: beside another file SQLite would apply it.
struct Recreation {
    let configuration: SQLiteConfiguration
    let context: LocalStoreContext

    /// Which file stands at the path: another one afterwards means that somebody else has acted. A file that was set aside
    /// keeps its inode, so a new one can't have the same.
    struct Found: Equatable {
        var device: UInt64
        var inode: UInt64
        var isEmpty: Bool
    }

    private var path: String { configuration.path }

    static var remoteIsConfigured: CacheError {
        CacheError(
            .invalidConfiguration,
            "a file with a remote may hold writes that were not sent, and is never recreated; set onDamage to refuse")
    }

    func lookAtFile() -> Found? { Self.look(at: path) }

    private static func look(at path: String) -> Found? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return Found(
            device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino),
            isEmpty: status.st_size == 0)
    }

    /// Sets the file aside, unless another process has by now.
    ///
    /// - Throws: the error that opening met, where the file has to stay; what else is wrong with the file, if that can be told.
    func setAside(_ found: Found?, because error: CacheError) throws(CacheError) {
        guard try isPureCache() else {
            context.logger.error(
                "the damaged file is not made anew: it was opened with a remote and may hold writes that were not sent")
            throw error
        }
        let deadline = ContinuousClock.now + configuration.busyTimeout
        while lookAtFile() == found, let found {
            // A connection for each try: SQLite may keep half of a lock that it did not get.
            guard let connection = try? SQLiteConnection(configuration) else { return }
            if try connection.lockOutOthers() {
                // Once more: now nobody can come in between.
                guard lookAtFile() == found, !DatabaseFile.exists(path + "-lease"), !isReadied(found) else { return }
                try move(found)
                context.logger.warning(
                    "the file was damaged and is made anew: what it held is lost to the cache; it is kept beside it",
                    metadata: ["kept": "\(path)-damaged", "error": "\(error)"])
                return
            }
            guard ContinuousClock.now < deadline else { throw error }
            SystemThread.pause(milliseconds: 5)
        }
    }

    /// Whether another process has set the log aside and not made the new file yet.
    private func isReadied(_ found: Found) -> Bool {
        found.isEmpty && CreationMark.isSet(path) && DatabaseFile.byteCount(path + "-wal") == 0
    }

    /// Whether nothing says that the file ever had a remote.
    ///
    /// - Throws: `wrongMasterKey`, `newerFormat` and another tenant's file, as far as they can be told.
    private func isPureCache() throws(CacheError) -> Bool {
        // Made when a file is first opened with a remote; a copy may lack it, and then its record tells.
        guard !DatabaseFile.exists(path + "-lease") else { return false }
        do throws(CacheError) {
            let file = try ReadOnlyFile(configuration, ReadOnlyFile.connect(configuration))
            _ = try MigrationRunner(connection: file.connection, migrations: configuration.migrations).format()
            try OpenedFile.checkOldestReader(file.meta)
            let keys = try file.codec(context.keys.keyring).keys
            if try file.meta.sealed("has_remote", keys) == [1] { return false }
            if let tenant = try file.meta.sealed("tenant", keys), tenant != Array(context.tenant.utf8) {
                throw OpenedFile.otherTenant
            }
        } catch  where ![.wrongMasterKey, .newerFormat, .invalidConfiguration].contains(error.code) {
            // Too damaged to be asked: the lease alone decides.
        }
        return true
    }

    /// Whether the file at the path is one that was being set aside when its process ended: its log may be gone already.
    static func isHalfway(_ path: String) -> Bool {
        guard let found = look(at: path), !found.isEmpty, let kept = look(at: path + "-damaged") else { return false }
        return found == kept
    }

    static var halfway: CacheError {
        CacheError(
            .damagedStore,
            "the file was damaged, and setting it aside was interrupted; move it away with its '-wal' and '-journal'")
    }

    static var noSecondName: CacheError {
        CacheError(
            .damagedStore,
            "the file is damaged, and its file system knows no second name for it; move it away with its '-wal' and '-journal'"
        )
    }

    private func move(_ found: Found) throws(CacheError) {
        if found.isEmpty {
            try rename("-wal", "-damaged-log")
            try rename("-journal", "-damaged-journal")
            // The name stays: processes that are about to open it all make the same file.
            try CreationMark.set(path)
        } else {
            try beginMove()
            // Not over what was kept before an interruption.
            for suffix in ["-wal", "-journal"] where DatabaseFile.byteCount(path + "-damaged" + suffix) == 0 {
                try rename(suffix, "-damaged" + suffix)
            }
        }
        for suffix in ["-wal", "-journal", "-shm"] { unlink(path + suffix) }
        try DatabaseFile.syncFolder(of: path)
        guard !found.isEmpty else { return }
        unlink(path)
        try DatabaseFile.syncFolder(of: path)
    }

    private func beginMove() throws(CacheError) {
        guard !Self.isHalfway(path) else { return }
        // The name is tried first: a file system without it must not cost the generation before.
        let name = "-damaged-new"
        unlink(path + name)
        guard link(path, path + name) == 0 else {
            guard ![EPERM, ENOTSUP, ENOSYS, EMLINK].contains(errno) else { throw Self.noSecondName }
            throw CacheError(errno: errno, "giving the damaged file a second name")
        }
        // Else they would be taken for the new one's.
        for suffix in ["-damaged-wal", "-damaged-journal", "-damaged-log"] { unlink(path + suffix) }
        try rename(name, "-damaged")
        try DatabaseFile.syncFolder(of: path)
    }

    private func rename(_ suffix: String, _ kept: String) throws(CacheError) {
        guard DatabaseFile.exists(path + suffix) else { return }
        #if canImport(Glibc)
            let result = Glibc.rename(path + suffix, path + kept)
        #elseif canImport(Musl)
            let result = Musl.rename(path + suffix, path + kept)
        #else
            let result = Darwin.rename(path + suffix, path + kept)
        #endif
        guard result == 0 else { throw CacheError(errno: errno, "setting the damaged file aside") }
    }
}
