import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import Floors
import Foundation

let pushFigures = [
    Figure(name: "push of 10,000 changes to Redis, against hiredis pipelined") {
        let folder = try TemporaryFolder()
        let server = try await RedisServer(folder)
        var configuration = CacheConfiguration()
        configuration.memory.maximumBytes = 0
        let cache = try await Cache(
            local: .sqlite(path: folder.path("cache.db")), remote: .redis("redis+unix://\(server.socket)"),
            sync: .writeBehind(), encryption: .secure(key: .keyring(Samples.keyring())), configuration: configuration)
        guard let redis = floor_redis_connect(server.socket) else { throw FloorFailure(call: "floor_redis_connect") }
        let keys = try Samples.keys(10_000).map { try CacheKey($0) }
        let values = keys.indices.map { Samples.randomBytes(1024, seed: UInt64($0)) }
        var number = 0
        return Contest(
            ours: { _ in
                number += 1
                for start in stride(from: 0, to: keys.count, by: 500) {
                    try await cache.bytes.set(
                        (start..<start + 500).map { index in
                            var value = values[index]
                            stamp(&value, number)
                            return (key: keys[index], value: value, ttl: nil)
                        })
                }
                let clock = ContinuousClock()
                let begin = clock.now
                let status = await cache.push(deadline: .seconds(60))
                let duration = begin.duration(to: clock.now)
                guard status?.backlog.changes == 0 else { throw FloorFailure(call: "push") }
                return duration
            },
            floor: timed { _ in
                number += 1
                for start in stride(from: 0, to: keys.count, by: 500) {
                    for index in start..<start + 500 {
                        var value = values[index]
                        stamp(&value, number)
                        let key = Array(keys[index].string.utf8)
                        let appended = key.withUnsafeBytes { bytes in
                            floor_redis_append_set(
                                redis, bytes.baseAddress, bytes.count, value, value.count, 3_600_000)
                        }
                        try check(appended, "floor_redis_append_set")
                    }
                    try check(floor_redis_replies(redis, 500), "floor_redis_replies")
                }
            },
            operationsPerSlice: keys.count,
            finish: {
                await cache.shutdown()
                floor_redis_close(redis)
                server.stop()
                folder.remove()
            })
    }
]

/// A throwaway server on a unix socket in a folder of its own; writes nothing to disk.
private struct RedisServer {
    let socket: String
    private let process = Process()

    init(_ folder: TemporaryFolder) async throws {
        let program = ["/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"]
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let program else { throw Contest.Unavailable(reason: "redis-server is not installed") }
        socket = folder.path("redis.sock")
        process.executableURL = URL(filePath: program)
        process.arguments = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder.url.path]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<500 {
            if let connection = floor_redis_connect(socket) {
                floor_redis_close(connection)
                return
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        stop()
        throw Contest.Unavailable(reason: "redis-server does not come up")
    }

    func stop() {
        // Not SIGTERM: the child inherits the mask of the pool's thread, which blocks it. The server keeps nothing.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
