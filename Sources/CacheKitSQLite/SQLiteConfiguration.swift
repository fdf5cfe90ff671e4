public import CacheKit
public import CacheKitCore
package import Migrations

/// How the SQLite file is opened; every property has a safe default.
public struct SQLiteConfiguration: Sendable {
    /// What an acknowledged write survives.
    public enum Durability: Sendable {
        /// A crash of the process and a power cut: each commit is synced; waiting writers share one.
        case full
        /// A crash of the process. A power cut may lose the last commits, and never damages the file.
        case relaxed
    }

    /// What becomes of a file that is found damaged, or altered without its keys, when it is opened.
    public enum DamageResponse: Sendable {
        /// Opening fails, and nothing is changed.
        case refuse
        /// The file is set aside as `<path>-damaged` (log: `<path>-damaged-wal`), where it replaces the last such one; a warning is
        /// logged, and opening goes on with a new file. For a pure cache: everything it held is lost to the cache.
        ///
        /// Never for a file that was opened with a remote, for it may hold writes that were not sent; nor for one in use by
        /// another process, of a newer format, or under another master key or tenant as far as that can still be read.
        case recreate
    }

    /// Path of the database; its folder must exist. The log and shared memory lie beside it.
    public var path: String
    /// What an acknowledged write survives; `.full` unless set.
    public var durability: Durability = .full
    /// Bytes of the database that rows may fill before the least recently used synchronised ones go; 1 GiB unless set,
    /// at least 1 MiB. The log beside it takes up to an eighth more, 2 to 96 MiB. When only changes are left that wait for
    /// the remote, writes fail with ``CacheError/Code/backPressure``; deletes may use a sixteenth more.
    public var sizeLimit: Int = 1 << 30
    /// Rows, tombstones included, before the least recently used synchronised ones go; no bound unless set.
    public var rowLimit: Int = .max
    /// What becomes of a file that is found damaged when it is opened; ``DamageResponse/refuse`` unless set. The other choice
    /// is for a cache without a remote, and with one it is ``CacheError/Code/invalidConfiguration``.
    public var onDamage: DamageResponse = .refuse
    /// Whether changes wait for their first send however long that takes, also while no remote is given; off unless set.
    ///
    /// They are then never swept or evicted before it, and the life of a value that this process writes begins with it, if the
    /// value's time was over before. Here a value is served until its own time is over, as ever. Off, changes wait from the
    /// moment on when the file is first opened with a remote, and one whose time is over before it is sent has expired.
    public var pendingKeepsAlive = false
    /// How long a write waits for another process; 5 seconds unless set, at most 10 minutes.
    public var busyTimeout: Duration = .seconds(5)
    /// The largest value, in bytes as Redis holds it; 64 MiB unless set, at most 512 MiB.
    public var maximumValueBytes: Int = 64 << 20
    /// What ``maximumValueBytes`` may be set to at most: 512 MiB.
    public static let greatestValueBytes = 512 << 20
    /// Writes that may wait for the writer; further ones fail with ``CacheError/Code/backPressure``. 65,536 unless set.
    public var maximumQueuedWrites: Int = 65_536
    /// Bytes of values that may wait for the writer; 256 MiB unless set. One larger write alone is always taken.
    public var maximumQueuedBytes: Int = 256 << 20
    /// Connections that read at the same time; 4 unless set, at most 64.
    public var readerCount: Int = 4
    /// Whether reads move to threads of their own, ``readerCount`` of them. Off unless set: a read takes microseconds and
    /// runs on the caller's thread, where moving it would cost ten times as much. For slow disks, whose reads would hold up
    /// Swift's cooperative pool.
    public var readsOnOwnThreads = false

    // For tests: fewer bits make keys collide, fewer pages fill the disk.
    package var hashBits = 63
    package var maximumPageCount: Int?
    package var pageSize = 4096
    /// For tests: the registered SQLite VFS that every connection goes through; `nil` is SQLite's own.
    package var vfs: String?
    /// For tests: a list that is longer, or whose end fails.
    package var migrations = Migrations.all

    /// For tests: other machines.
    package var machineIDPath = "/etc/machine-id"
    package var bootIDPath = "/proc/sys/kernel/random/boot_id"

    /// A file at a path, with the defaults.
    public init(path: String) {
        self.path = path
    }

    /// The same for a file under another path.
    func moved(to path: String) -> SQLiteConfiguration {
        var moved = self
        moved.path = path
        return moved
    }

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        problems.require(
            !path.isEmpty && !path.utf8.contains(0), "path", text: "must name the database, without a NUL")
        problems.require(sizeLimit >= 1 << 20, "sizeLimit", text: "must be at least 1 MiB")
        problems.require(rowLimit >= 1, "rowLimit", text: "must be at least 1")
        problems.require(
            busyTimeout >= .zero && busyTimeout <= .seconds(600), "busyTimeout", text: "must be from 0 to 10 minutes")
        problems.require(
            (1...Self.greatestValueBytes).contains(maximumValueBytes), "maximumValueBytes",
            text: "must be from 1 byte to 512 MiB")
        problems.require(maximumQueuedWrites >= 1, "maximumQueuedWrites", text: "must be at least 1")
        problems.require(maximumQueuedBytes >= 1, "maximumQueuedBytes", text: "must be at least 1")
        problems.require((1...64).contains(readerCount), "readerCount", text: "must be from 1 to 64")
        problems.require(
            !(onDamage == .recreate && pendingKeepsAlive), "onDamage",
            text: "must be .refuse with pendingKeepsAlive: a damaged file may hold changes that were not sent")
        return problems
    }
}

extension SQLiteConfiguration: LocalStoreProvider {
    /// Opens the file, or creates it if there is none.
    ///
    /// - Throws: `wrongMasterKey`, `notADatabase`, `newerFormat`, `damagedStore`, `tamperedStore`, `readOnlyStore`,
    ///   `unsafePermissions`, `diskFull`, `inputOutput`, `storeBusy`; `invalidConfiguration` also for another tenant's file. A file that exists
    ///   is never recreated, unless ``onDamage`` says so.
    public func openLocalStore(_ context: LocalStoreContext) async throws(CacheError) -> (any LocalStore)? {
        try await SQLiteStore.open(self, context)
    }
}

extension LocalStoreProvider where Self == SQLiteConfiguration {
    /// An encrypted SQLite file at a path.
    public static func sqlite(path: String) -> SQLiteConfiguration { SQLiteConfiguration(path: path) }

    /// An encrypted SQLite file.
    public static func sqlite(_ configuration: SQLiteConfiguration) -> SQLiteConfiguration { configuration }
}
