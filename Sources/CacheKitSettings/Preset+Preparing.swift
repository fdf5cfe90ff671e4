import CacheKit
import CacheKitSQLite
import CacheKitSync
import Logging

extension Preset {
    /// Sets what differs from the defaults of the configurations.
    func prepare(_ settings: inout CacheSettings) {
        settings.cache.defaultTTL = timeToLive
        switch self {
        case .production, .secure: break
        case .minimal:
            // A value that fits no part of memory would not be kept, and there is nothing else to keep it.
            settings.cache.maximumValueBytes = 2 << 20
        case .testing:
            settings.cache.maximumValueBytes = 2 << 20
            settings.cache.memory.maximumBytes = 4 << 20
            // With one part, what is evicted does not depend on how keys hash.
            settings.cache.memory.shards = 1
            settings.cache.jitter = { 0.5 }
            settings.cache.logger = Logger(label: "cachekit") { _ in SwiftLogNoOpLogHandler() }
        case .offline: Self.prepareForSmallMachine(&settings)
        }
    }

    private var timeToLive: Duration {
        switch self {
        case .minimal: .seconds(300)
        case .production, .secure: .seconds(600)
        case .offline: .seconds(3600)
        case .testing: .seconds(60)
        }
    }

    /// Some tens of megabytes of memory, a quarter of a gigabyte of disk, and a writer that is told at once when it is full.
    private static func prepareForSmallMachine(_ settings: inout CacheSettings) {
        settings.cache.maximumValueBytes = 1 << 20
        settings.cache.memory.maximumBytes = 8 << 20
        settings.cache.memory.shards = 4
        settings.sqlite.sizeLimit = 256 << 20
        settings.sqlite.rowLimit = 500_000
        settings.sqlite.maximumValueBytes = 2 << 20
        settings.sqlite.maximumQueuedWrites = 4096
        settings.sqlite.maximumQueuedBytes = 16 << 20
        settings.sqlite.readerCount = 2
        settings.sqlite.pendingKeepsAlive = true
        settings.sync.policy.pendingKeepsAlive = true
        settings.sync.batchChanges = 500
        settings.sync.batchBytes = 1 << 20
        // Three quarters of the file: what was read from Redis, and deletes, find room all the same. Waiting for a Redis that
        // may be away for days is no use.
        settings.sync.backPressure.changes = 400_000
        settings.sync.backPressure.bytes = 192 << 20
        settings.sync.backPressure.response = .reject
    }
}
