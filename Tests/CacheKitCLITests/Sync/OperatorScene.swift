import CacheKit
import CacheKitCore
import CacheKitSQLite
import CacheKitTesting
import Foundation

/// The command beside a Redis of its own, with changes of any age in its file.
struct OperatorScene {
    var tool: CommandLineTool
    let server: RedisServer

    init(_ options: [String] = []) async throws {
        server = try await RedisServer.start(options)
        tool = try CommandLineTool()
        tool.environment["CACHEKIT_REDIS_URL"] = server.url
    }

    func stop() {
        server.stop()
        tool.remove()
    }

    /// Writes as a service did so long ago, or will if that is negative, with Redis away.
    func write(_ keys: [String], value: Int = 1, ago: Duration) async throws {
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        var configuration = CacheConfiguration()
        configuration.clock = ManualClock(now: now.advanced(by: .zero - ago))
        let cache = try await Cache(
            local: .sqlite(path: tool.path("cache.db")),
            encryption: .secure(key: .key(MasterKey(hex: CommandLineTool.key))), configuration: configuration)
        for key in keys {
            try await cache.documents.set(.int(Int64(value)), for: key, ttl: .seconds(365 * 86_400))
        }
        await cache.shutdown(deadline: .zero)
    }

    /// Writes as another SDK does, which knows no versions.
    func writeForeign(_ keys: [String]) {
        for key in keys { _ = server.ask("SET \(key) foreign") }
    }

    func run(_ arguments: String...) async throws -> CommandLineTool.Outcome {
        try await tool.shell("cachekit " + arguments.joined(separator: " "))
    }

    /// The objects that a command prints, one a line.
    func objects(_ arguments: String...) async throws -> [[String: Any]] {
        try await tool.shell("cachekit " + arguments.joined(separator: " ") + " --json").objects()
    }

    /// What Redis holds for a key, opened by a cache without a file.
    func remote(_ key: String) async throws -> String {
        try await tool.run("get", key, environment: ["CACHEKIT_DATABASE": nil]).output
    }
}

extension CommandLineTool.Outcome {
    func objects() throws -> [[String: Any]] {
        try outputLines.map { line in
            guard let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else {
                throw CacheError(.internalFault, "not an object: \(line)")
            }
            return object
        }
    }
}
