import CacheKit
import CacheKitCore
import CacheKitRedis
import CacheKitTesting
import Foundation
import Logging

/// What TLS costs: the same calls over it and over plain TCP, both on loopback, with values of 1 KiB.
let redisTLSFigures = [
    figure("64 tasks with one get each") { side in timed(side.readConcurrently) },
    figure("1,000 keys in one call") { side in timed(side.readMany) },
]

private func figure(_ name: String, _ side: @escaping @Sendable (TLSSide) -> Contest.Side) -> Figure {
    Figure(name: "Redis over TLS, \(name), against plain TCP", unit: .perSecond, bar: .atLeast(0.5)) {
        let encrypted = try await TLSSide(isEncrypted: true)
        let plain = try await TLSSide(isEncrypted: false)
        return Contest(
            ours: side(encrypted), floor: side(plain),
            finish: {
                await encrypted.finish()
                await plain.finish()
            })
    }
}

/// A server and a store on it.
private final class TLSSide: Sendable {
    private static let keyCount = 10_000
    private static let valueCount = 1024

    private let server: RedisServer
    private let store: RedisStore
    private let keys: [CacheKey]

    init(isEncrypted: Bool) async throws {
        guard RedisServer.isInstalled else { throw Contest.Unavailable(reason: "redis-server is not installed") }
        let authority = try TestAuthority()
        server = try await RedisServer.start(security: isEncrypted ? RedisServer.Security(authority) : nil)
        var configuration = RedisConfiguration(server.url)
        if isEncrypted {
            configuration.tls = RedisTLS()
            configuration.tls?.trust = .only(.pem(authority.certificate))
        }
        let logger = Logger(label: "bench", factory: { _ in SwiftLogNoOpLogHandler() })
        store = try RedisStore(
            configuration, context: RemoteStoreContext(logger: logger, maximumValueBytes: 16 << 20))
        keys = try Samples.keys(Self.keyCount).map { try CacheKey($0) }
        _ = try await store.write(
            keys.indices.map { index in
                let value = Samples.randomBytes(Self.valueCount, seed: UInt64(index))
                return RemoteWrite(key: keys[index], action: .put(value, timeToLive: .seconds(3600)))
            })
    }

    func finish() async {
        await store.close()
        server.stop()
    }

    /// So many keys, each in a call and a task of its own, 64 at a time.
    func readConcurrently(_ count: Int) async throws {
        for start in stride(from: 0, to: count, by: 64) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in start..<min(start + 64, count) {
                    group.addTask { try await self.read([self.keys[number % Self.keyCount]]) }
                }
                try await group.waitForAll()
            }
        }
    }

    /// So many calls of a thousand keys each.
    func readMany(_ count: Int) async throws {
        for call in 0..<count {
            let start = call * 1000 % Self.keyCount
            try await read(Array(keys[start..<start + 1000]))
        }
    }

    private func read(_ keys: [CacheKey]) async throws {
        guard try await store.read(keys).allSatisfy({ $0?.value.count == Self.valueCount }) else {
            throw FloorFailure(call: "RedisStore.read")
        }
    }
}
