import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync

extension CacheSettings {
    /// What the preset does not allow, or asks for.
    var presetProblems: [String] {
        var problems: [String] = []
        let title = "the preset \(preset.rawValue)"
        if preset.isMemoryOnly {
            if hasDatabase {
                problems.append("\(name("database")) names a file, and \(title) keeps nothing on disk; use production")
            }
            if hasRedis {
                problems.append("\(name("redis.url")) names a Redis, and \(title) reaches no network; use production")
            }
        }
        if let fixed = preset.fixedEncryption, let encryption, encryption != fixed {
            problems.append(
                "\(name("encryption")) must be \(fixed.rawValue) with \(title); use production to choose")
        }
        if preset.fixedEncryption == .plain, keyFile != nil || key != nil {
            problems.append("\(name("key_file")) gives a key, and \(title) seals nothing; use secure")
        }
        if preset == .production, !hasDatabase, !hasRedis {
            problems.append(
                "\(title) needs \(name("database")), \(name("redis.url")), or both; use minimal for memory alone")
        }
        if preset == .offline, !hasDatabase { problems.append("\(title) needs \(name("database"))") }
        return problems
    }

    /// What was set and has no effect.
    var unusedProblems: [String] {
        var problems: [String] = []
        func unused(_ section: String, needs: String) {
            for name in changed(in: section) where !problems.contains(where: { $0.hasPrefix("\(name) ") }) {
                problems.append("\(name) has no effect without \(needs); add it, or take this out")
            }
        }
        if !hasDatabase {
            unused("sqlite", needs: name("database"))
            problems += ["coherence_interval", "maintenance_interval"].filter(isChanged).map {
                "\(name($0)) has no effect without \(name("database")); add it, or take this out"
            }
        }
        problems += unusedKeyProblems
        if !hasRedis { unusedRedis(&problems) }
        if cache.loading.isOnePerFile, !hasDatabase {
            problems.append(
                "\(name("loading.is_one_per_file")) has no effect without \(name("database")); add it, or take this out"
            )
        }
        if cache.loading.isOnePerFleet, !hasRedis {
            problems.append(
                "\(name("loading.is_one_per_fleet")) has no effect without \(name("redis.url")); add it, or take this out"
            )
        }
        problems += idleProblems
        if !hasDatabase || !hasRedis {
            let missing = [hasDatabase ? nil : name("database"), hasRedis ? nil : name("redis.url")]
            let needs = missing.compactMap { $0 }.joined(separator: " and ")
            unused("sync", needs: needs)
            unused("reconciling", needs: needs)
        }
        return problems
    }

    /// What waits for another setting to mean anything. Policies that are set in code may be copied and completed, so of these
    /// only what was read from text counts.
    private var idleProblems: [String] {
        let loading = cache.loading
        var problems: [String] = []
        func idle(_ setting: String, needs: [String]) {
            // Of what can't be read enough was said.
            guard unreadable.isDisjoint(with: needs) else { return }
            problems.append(
                "\(name(setting)) has no effect without \(needs.map(name).joined(separator: " or ")); add it, or take this out"
            )
        }
        if hasDatabase, hasRedis, sync.backPressure.changes == nil, sync.backPressure.bytes == nil {
            // Another response has another timeout.
            let changed = ["response", "timeout"].map { "sync.back_pressure.\($0)" }.first(where: isChanged)
            if let changed { idle(changed, needs: ["sync.back_pressure.changes", "sync.back_pressure.bytes"]) }
        }
        if !hasDatabase, isChanged("tombstone_lifetime") { idle("tombstone_lifetime", needs: ["database"]) }
        if !loading.isOnePerFile, !loading.isOnePerFleet, readings["loading.load_elsewhere_timeout"] != nil {
            idle("loading.load_elsewhere_timeout", needs: ["loading.is_one_per_file", "loading.is_one_per_fleet"])
        }
        let servesOld =
            loading.staleWhileRevalidate > .zero || loading.staleIfError > .zero || loading.eagerRefresh != nil
        if !servesOld, readings["loading.retry_pause"] != nil {
            let old = ["stale_while_revalidate", "stale_if_error", "eager_refresh"]
            idle("loading.retry_pause", needs: old.map { "loading.\($0)" })
        }
        return problems
    }

    /// A key that nothing is sealed with, and a choice that a relay key leaves no room for.
    private var unusedKeyProblems: [String] {
        if relayKeyFile != nil {
            guard encryption == .plain else { return [] }
            return [
                "\(name("encryption")) is plain, and \(name("relay_key_file")) opens no value, sealed or not; take one out"
            ]
        }
        let hasKey = keyFile != nil || key != nil || unreadable.contains("key_file")
        guard hasKey, encryption == .plain, !hasDatabase, preset.fixedEncryption == nil else { return [] }
        return [
            "\(name("key_file")) has no effect with \(name("encryption")) plain and without \(name("database")): nothing is sealed; take it out, or choose secure"
        ]
    }

    private func unusedRedis(_ problems: inout [String]) {
        for name in changed(in: "redis") {
            problems.append("\(name) has no effect without \(self.name("redis.url")); add it, or take this out")
        }
    }

    /// Whether memory is the only tier, and may be.
    private var isInMemoryOnly: Bool {
        isPresetKnown && !hasDatabase && !hasRedis && preset != .production && preset != .offline
    }

    /// The largest value, as MessagePack, that a part of memory holds with its key, bookkeeping and seal.
    private var memoryPartBytes: Int {
        guard (1...1024).contains(cache.memory.shards), cache.memory.maximumBytes >= 0 else { return .max }
        return (cache.memory.shardBytes - 4096) / 100 * 99
    }

    /// With what follows from other settings: where memory is all there is, values that it can't keep are refused.
    var resolved: CacheSettings {
        var settings = self
        let isDefault =
            readings["maximum_value_bytes"] == nil
            && cache.maximumValueBytes == CacheSettings(preset).cache.maximumValueBytes
        if isInMemoryOnly, isDefault, memoryPartBytes >= 1 {
            settings.cache.maximumValueBytes = min(cache.maximumValueBytes, memoryPartBytes)
        }
        return settings
    }

    /// Bounds that do not go together.
    var sizeProblems: [String] {
        var problems: [String] = []
        let stored = ByteStorage.maximumPackedByteCount(min(max(cache.maximumValueBytes, 0), 512 << 20)) + 28
        let value = name("maximum_value_bytes")
        if isInMemoryOnly {
            if memoryPartBytes < 1 {
                problems.append(
                    "\(name("memory.maximum_bytes")) / \(name("memory.shards")) is nothing, and there is no other tier: nothing would be kept"
                )
            } else if cache.maximumValueBytes > memoryPartBytes {
                problems.append(
                    "\(value) is more than a part of memory holds (\(name("memory.maximum_bytes")) / \(name("memory.shards"))), and there is no other tier: larger values would be dropped unseen"
                )
            }
        }
        if hasDatabase {
            if stored > sqlite.maximumValueBytes {
                problems.append(
                    "\(value) lets in values that \(name("sqlite.maximum_value_bytes")) refuses; raise that, by about 1 % more than this"
                )
            }
            if stored > sqlite.sizeLimit, sqlite.sizeLimit >= 1 << 20 {
                problems.append("\(value) lets in values that do not fit \(name("sqlite.size_limit")); raise that")
            }
        }
        if hasRedis, let limit = redis.maximumReplyBytes, stored > limit {
            problems.append(
                "\(value) lets in values that \(name("redis.maximum_reply_bytes")) refuses to read back; leave that out"
            )
        }
        return problems
    }

    /// What does not go together where there is a file and a Redis.
    var tierProblems: [String] {
        guard hasDatabase, hasRedis else { return [] }
        var problems: [String] = []
        if sync.tombstoneLife > cache.tombstoneLifetime {
            problems.append("\(name("sync.tombstone_life")) must not be longer than \(name("tombstone_lifetime"))")
        }
        if let bytes = sync.backPressure.bytes, bytes > sqlite.sizeLimit {
            problems.append(
                "\(name("sync.back_pressure.bytes")) is never reached, because \(name("sqlite.size_limit")) is; lower it, or raise that"
            )
        }
        if let changes = sync.backPressure.changes, changes > sqlite.rowLimit {
            problems.append(
                "\(name("sync.back_pressure.changes")) is never reached, because \(name("sqlite.row_limit")) is; lower it, or raise that"
            )
        }
        if sqlite.onDamage == .recreate, !sqlite.pendingKeepsAlive {
            problems.append(
                "\(name("sqlite.on_damage")) must be refuse with Redis: a damaged file may hold changes that were not sent"
            )
        }
        return problems
    }
}
