public import CacheKit
public import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync

extension Cache {
    /// Opens the tiers that settings name, if nothing is wrong with them. Does not wait for Redis to be reachable.
    ///
    /// - Throws: ``CacheError/Code/invalidConfiguration`` with every mistake, each on a line of its own, before anything is opened
    ///   or created; then what the local store says of its file.
    public convenience init(_ settings: CacheSettings) async throws(CacheError) {
        let settings = settings.resolved
        let plan = settings.plan()
        if let error = CacheError(mistakes: plan.problems) { throw error }
        guard let encryption = plan.encryption else {
            throw CacheError(.internalFault, "settings without a mistake give no encryption; please report it")
        }
        switch (settings.database != nil, settings.redis.isAddressed) {
        case (true, true):
            try await self.init(
                local: settings.sqlite, remote: plan.redis, sync: .writeBehind(settings.sync), encryption: encryption,
                configuration: settings.cache)
        case (true, false):
            try await self.init(local: settings.sqlite, encryption: encryption, configuration: settings.cache)
        case (false, true):
            try await self.init(remote: plan.redis, encryption: encryption, configuration: settings.cache)
        case (false, false):
            try await self.init(encryption: encryption, configuration: settings.cache)
        }
    }
}
