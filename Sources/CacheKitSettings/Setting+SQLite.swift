import CacheKitSQLite

extension Setting {
    static let sqlite: [Setting] = [
        Setting(
            "sqlite.durability", \.sqlite.durability, as: "sqlite.durability",
            .oneOf([("full", SQLiteConfiguration.Durability.full), ("relaxed", .relaxed)]),
            "what an acknowledged write survives: a power cut, or a crash of the process"),
        Setting(
            "sqlite.size_limit", \.sqlite.sizeLimit, as: "sqlite.sizeLimit", .bytes,
            "bytes of the file before rows are evicted"),
        Setting("sqlite.row_limit", \.sqlite.rowLimit, as: "sqlite.rowLimit", .bound, "rows before rows are evicted"),
        Setting(
            "sqlite.pending_keeps_alive", \.sqlite.pendingKeepsAlive, as: "sqlite.pendingKeepsAlive", .flag,
            "changes wait for their first send, also while there is no Redis, and begin their lives with it"),
        Setting(
            "sqlite.on_damage", \.sqlite.onDamage, as: "sqlite.onDamage",
            .oneOf([("refuse", SQLiteConfiguration.DamageResponse.refuse), ("recreate", .recreate)]),
            "what becomes of a damaged file; recreate only without Redis"),
        Setting(
            "sqlite.busy_timeout", \.sqlite.busyTimeout, as: "sqlite.busyTimeout", .duration,
            "waiting for another process's write"),
        Setting(
            "sqlite.maximum_value_bytes", \.sqlite.maximumValueBytes, as: "sqlite.maximumValueBytes", .bytes,
            "the largest value as stored"),
        Setting(
            "sqlite.maximum_queued_writes", \.sqlite.maximumQueuedWrites, as: "sqlite.maximumQueuedWrites", .count,
            "writes that wait for the writer; further ones are refused"),
        Setting(
            "sqlite.maximum_queued_bytes", \.sqlite.maximumQueuedBytes, as: "sqlite.maximumQueuedBytes", .bytes,
            "bytes of their values"),
        Setting(
            "sqlite.reader_count", \.sqlite.readerCount, as: "sqlite.readerCount", .count,
            "connections that read at the same time"),
        Setting(
            "sqlite.reads_on_own_threads", \.sqlite.readsOnOwnThreads, as: "sqlite.readsOnOwnThreads", .flag,
            "for slow disks"),
    ]
}
