import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// A server that has reached its `maxmemory` and evicts nothing.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct MemoryLimitTests {
    private let keys: [CacheKey]

    init() throws {
        keys = try (0..<100).map { try CacheKey("key \($0)") }
    }

    private func calls(_ server: RedisServer, _ name: String) throws -> Int {
        let stats = try #require(server.command("INFO", "commandstats")?.text)
        guard let line = ServerFields(Array(stats.utf8))["cmdstat_" + name] else { return 0 }
        return try #require(line.dropFirst("calls=".count).split(separator: ",").first.flatMap { Int($0) })
    }

    @Test func `reads go on, and nothing else is asked than before once there is room again`() async throws {
        let server = try await RedisServer.start()
        let world = VersionedWorld(server: server, store: try makeStore(server.url))
        let (store, write) = (world.store, try VersionedWrite.put(keys[0], sealed(1), at: 5))
        try await world.push([write])
        _ = try await store.write([try put(keys[1].string, [2], .seconds(60))])
        try await world.command("SET", keys[2].string, "lasting")
        try await world.command("LPUSH", keys[3].string, "of another type")
        try await world.push([.remove(keys[4], at: 5)])
        let before = (try await store.read(keys).map { $0?.value }, try await store.inspect(keys).map(\.record))

        try await world.command("CONFIG", "SET", "maxmemory", "1")
        let entries = try await store.read(keys)
        #expect(entries.map { $0?.value } == before.0)
        #expect(entries[1]?.remaining.map { $0 > .seconds(50) && $0 <= .seconds(60) } == true)
        #expect(entries[2] == RemoteEntry(value: Array("lasting".utf8), remaining: nil))
        #expect(entries[3...].allSatisfy { $0 == nil })
        let views = try await store.inspect(keys)
        #expect(views.map(\.record) == before.1)
        #expect(views.map { $0.entry?.value } == before.0)
        #expect(views[0].record == write.record && views[4].record?.kind == .tombstone)
        // Gathered into one call, too.
        let values = try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            for _ in 0..<64 { group.addTask { try await store.read([keys[1]])[0]?.value } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(values == Array(repeating: [2], count: 64))
        #expect(try await store.contains([keys[0], keys[9]]) == [true, false])
        #expect(try await store.marks(of: 7, in: [store.bucket(of: keys[0])])[0].get() == 1)
        #expect(try await store.survey().evictsRecords == false)
        let sweep = try await store.sweep(
            bucket: store.bucket(of: keys[4]), from: 0, endedBefore: Timestamp(milliseconds: .max))
        #expect(sweep.removed > 0)
        _ = try await store.fence(nil)

        try await world.command("CONFIG", "SET", "maxmemory", "0")
        try await world.command("CONFIG", "RESETSTAT")
        _ = try await store.read(keys)
        _ = try await store.inspect(keys)
        #expect(try calls(server, "eval") == 0 && calls(server, "exec") == 8)
    }

    @Test func `writes are told to be tried again, and have no effect`() async throws {
        let world = try await VersionedWorld.start()
        try await world.push([try .put(keys[0], sealed(1), at: 5)])
        try await world.command("CONFIG", "SET", "maxmemory", "1")
        let results = try await world.store.write([
            try put(keys[0].string, [9]), try put(keys[1].string, [9]), RemoteWrite(key: keys[2], action: .delete),
        ])
        let codes = results.map { result -> CacheError.Code? in
            guard case .failed(let error) = result else { return nil }
            return error.code
        }
        #expect(codes == [.remoteNotReady, .remoteNotReady, nil])
        #expect(try await world.push([try .put(keys[0], sealed(2), at: 6)], mark: 2).failure == .remoteNotReady)
        #expect(
            await code { _ = try await world.store.acquireLock(of: keys[0], LockToken(), lease: .seconds(1)) }
                == .remoteNotReady)
        #expect(try await world.value(keys[0]) == sealed(1))
        #expect(try await world.value(keys[1]) == nil)
        #expect(try await world.mark(keys[0]) == 1)
    }

    @Test func `a user who may not run scripts is told that there is no room`() async throws {
        let world = try await VersionedWorld.start()
        try await world.command("ACL", "SETUSER", "plain", "on", ">pw", "~*", "+@all", "-eval")
        let store = try makeStore("redis://plain:pw@127.0.0.1:\(world.server.port)/0")
        _ = try await store.read([keys[0]])
        try await world.command("CONFIG", "SET", "maxmemory", "1")
        #expect(await code { _ = try await store.read([keys[0]]) } == .remoteNotReady)
        #expect(await code { _ = try await store.inspect([keys[0]]) } == .remoteNotReady)
        // Neither hides what else is wrong.
        try await world.command("ACL", "SETUSER", "plain", "+eval", "resetkeys", "~other*")
        #expect(await code { _ = try await store.read([keys[0]]) } == .remoteAuthentication)
        try await world.command("ACL", "SETUSER", "plain", "~*")
        try await world.command("CONFIG", "SET", "maxmemory", "0")
        try await world.command("SET", "ckv:\(store.bucket(of: keys[0]))", "no bucket")
        try await world.command("CONFIG", "SET", "maxmemory", "1")
        #expect(await code { _ = try await store.inspect([keys[0]]) } == .remoteRejected)
    }
}
