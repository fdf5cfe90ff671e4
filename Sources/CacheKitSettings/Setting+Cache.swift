import CacheKit
import CacheKitCore

extension Setting {
    private static let path = SettingForm<String>.text("a path", example: "/var/lib/app/cache.db")

    static let general: [Setting] = [
        Setting(
            "encryption", optional: \.encryption, as: "encryption",
            .oneOf(CacheSettings.EncryptionChoice.allCases.map { ($0.rawValue, $0) }),
            "whether values are sealed in memory and Redis; a key alone never says it"),
        Setting(
            "key_file", optional: \.keyFile, as: "keyFile", path, isPrivate: true,
            "a file with the master key in hex, mode 0600"),
        Setting(
            "relay_key_file", optional: \.relayKeyFile, as: "relayKeyFile", path, isPrivate: true,
            "a file from `cachekit keys export --relay`, in the place of the master key: sends, and reads nothing"),
        Setting(
            "database", as: "database", words: path.words, example: path.example, isPrivate: true,
            "the encrypted SQLite file", read: { $0.database },
            write: { settings, text in
                guard let value = path.parse(text), !value.isEmpty else { return "must be \(path.words)" }
                settings.database = value
                return nil
            }),
        Setting(
            "tenant", \.cache.tenant, as: "cache.tenant", .text("a name", example: "acme"), isPrivate: true,
            "whose entries these are"),
        Setting(
            "default_ttl", \.cache.defaultTTL, as: "cache.defaultTTL", .duration,
            "how long values live where neither namespace nor call says it"),
        Setting(
            "default_mode", \.cache.defaultMode, as: "cache.defaultMode",
            .oneOf([("native", NamespaceMode.native), ("interop", .interop)]),
            "layout of keys outside every declared namespace"),
        Setting(
            "maximum_value_bytes", \.cache.maximumValueBytes, as: "cache.maximumValueBytes", .bytes,
            "the largest value, as MessagePack"),
        Setting(
            "maximum_background_loads", \.cache.maximumBackgroundLoads, as: "cache.maximumBackgroundLoads", .count,
            "loads that nobody waits for at a time; more are not begun"),
        Setting(
            "tombstone_lifetime", \.cache.tombstoneLifetime, as: "cache.tombstoneLifetime", .duration,
            "how long a delete is remembered"),
        Setting(
            "coherence_interval", \.cache.coherenceInterval, as: "cache.coherenceInterval", .duration,
            "looking for commits of other processes on the file"),
        Setting(
            "maintenance_interval", \.cache.maintenanceInterval, as: "cache.maintenanceInterval", .duration,
            "sweeping and evicting in the file"),
    ]

    static let memory: [Setting] = [
        Setting(
            "memory.maximum_bytes", \.cache.memory.maximumBytes, as: "cache.memory.maximumBytes", .bytes,
            "the memory tier; 0 for none"),
        Setting(
            "memory.shards", \.cache.memory.shards, as: "cache.memory.shards", .count,
            "the most independently locked parts, of 1 MiB or more; an entry larger than one is not kept in memory"),
    ]

    static let reconciling: [Setting] = [
        Setting(
            "reconciling.after_absence", \.cache.reconciling.afterAbsence, as: "cache.reconciling.afterAbsence",
            .duration, "after not hearing of changes for longer, all rows are compared with Redis"),
        Setting(
            "reconciling.interval", \.cache.reconciling.interval, as: "cache.reconciling.interval", .duration,
            "all rows are compared at least so often"),
        Setting(
            "reconciling.spread", \.cache.reconciling.spread, as: "cache.reconciling.spread", .duration,
            "comparing begins after a random share of this"),
        Setting(
            "reconciling.rows_per_second", \.cache.reconciling.rowsPerSecond, as: "cache.reconciling.rowsPerSecond",
            .count, "how fast"),
    ]
}
