/// How many bytes and rows the file may have, and what is kept free of them.
///
/// Values may fill the file up to `bytes`. Above it lies a reserve for what must not fail because others filled the file:
/// tombstones, of which each may let the remote forget a value. Acknowledgements overwrite a record in place and need no
/// room. Below it lies what background eviction keeps free, so that a write seldom has to evict itself.
struct SpaceBound {
    let bytes: Int
    let rows: Int

    init(_ configuration: SQLiteConfiguration) {
        bytes = configuration.sizeLimit
        rows = configuration.rowLimit
    }

    /// Above the bound, for tombstones only: a sixteenth.
    var reserve: Int { bytes / 16 }
    /// Kept free by background eviction: a thirty-second, at most 8 MiB.
    var headroom: Int { min(bytes / 32, 8 << 20) }
    /// Where background eviction begins.
    var evictionBytes: Int { bytes - headroom }
    /// Pages of the log that are worth moving in the background: a thirty-second of the bound, 512 KiB to 24 MiB. Syncing them
    /// holds up writers for a moment, so a large file does it less often than once in a thousand writes.
    var idleLogFrames: Int { min(max(bytes / 32, 512 << 10), 24 << 20) / 4096 }
    /// Pages of the log after which it has to begin anew: three times as many. It may get twice as long while the last part of
    /// it is still being moved, and stays within a quarter of the bound even then.
    var dueLogFrames: Int { idleLogFrames * 3 }
}
