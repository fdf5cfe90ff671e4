public import CacheKit
public import CacheKitCore

/// What a finished backup holds.
public struct BackupReport: Sendable, Equatable {
    /// Rows that were copied and opened: values and tombstones.
    public var rows: Int
    /// Bytes of the new file.
    public var fileBytes: Int
    /// The last change in it: it holds every change up to this one and none after it.
    public var lastSequence: ChangeSequence
    /// Its watermark.
    public var watermark: ChangeSequence
}

/// Told while a backup copies: pages done, pages in all. Called on the backup's thread, about every 256 KiB.
public typealias BackupProgress = @Sendable (_ done: Int, _ total: Int) -> Void

extension SQLiteStore {
    /// Copies the file as it stands at one moment to a new file, while every process goes on reading and writing.
    ///
    /// The copy is as encrypted as the file and opens with the same keyring; it is synced, has the mode 0600, and was checked
    /// before this returns: SQLite's check of its structure, and every row authenticated. Needs room for the whole copy
    /// beside the target, and the log grows by what is written meanwhile. Linear in the file, on a thread of its own. When it
    /// fails or its task is cancelled, nothing is left.
    ///
    /// - Throws: `invalidArgument` where the target exists; `diskFull`, `inputOutput`, `readOnlyStore`; `damagedStore` or
    ///   `tamperedStore` where the file itself is not whole; `storeBusy` while another backup runs; `missingMasterKey` with a relay key;
    ///   `cancelled`, `shutdown`.
    public func backup(to path: String, progress: BackupProgress? = nil) async throws(CacheError) -> BackupReport {
        _ = try file.keys.valueKey()
        let stop = try backups.begin()
        defer { backups.end(stop) }
        let backup = Backup(file: file, path: path, stop: stop, progress: progress)
        let result: Result<BackupReport, CacheError> = await withTaskCancellationHandler {
            do throws(CacheError) {
                return .success(try await SystemThread.run { () throws(CacheError) in try backup.run() })
            } catch {
                return .failure(error)
            }
        } onCancel: {
            stop.request(.cancelled)
        }
        return try result.get()
    }
}
