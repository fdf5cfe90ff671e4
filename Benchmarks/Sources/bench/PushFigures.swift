import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitSQLite
import CacheKitSync
import CacheKitTesting
import Floors
import Foundation

let pushFigures = [
    Figure(name: "push of 10,000 changes to Redis, against hiredis pipelined") {
        let folder = try TemporaryFolder()
        let server = try await startRedis()
        var configuration = CacheConfiguration()
        configuration.memory.maximumBytes = 0
        let cache = try await Cache(
            local: .sqlite(path: folder.path("cache.db")), remote: .redis(server.unixURL),
            sync: .writeBehind(), encryption: .secure(key: .keyring(Samples.keyring())), configuration: configuration)
        guard let redis = floor_redis_connect(server.socketPath) else {
            throw FloorFailure(call: "floor_redis_connect")
        }
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
