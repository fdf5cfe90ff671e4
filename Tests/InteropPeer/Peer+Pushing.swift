import CacheKit
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync

/// Nodes with a file: what is written waits there until a request pushes it.
extension Peer {
    func openNode(
        _ request: Request, _ url: String, _ encryption: Encryption, _ configuration: CacheConfiguration
    ) async throws(CacheError) -> Cache {
        var sync = SyncConfiguration()
        // Either everything is late when it is sent, or nothing within a minute.
        sync.lateAfter = .seconds(try request.integer("late_after"))
        var encryption = encryption
        if try request.optionalString("master_key") == nil {
            encryption = .plain(fileKey: .key(try MasterKey(hex: request.string("file_key"))))
        }
        return try await Cache(
            local: .sqlite(path: request.string("path")), remote: .redis(url), sync: .writeBehind(sync),
            encryption: encryption, configuration: configuration)
    }

    /// Pushes what waits; says how the changes of this node ended since it was opened.
    func push(_ request: Request) async throws(CacheError) -> MessagePackValue {
        guard let status = try await cache(request).push(deadline: .seconds(20)) else {
            throw Request.malformed("cache")
        }
        if let error = status.lastError { throw error }
        return [
            "pending": .int(Int64(status.backlog.changes)), "applied": .int(Int64(status.outcomes.applied)),
            "foreign": .int(Int64(status.outcomes.foreign)), "absent": .int(Int64(status.outcomes.absent)),
        ]
    }
}
