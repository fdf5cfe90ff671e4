import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// What the engine asks beside pushes.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct UpkeepTests {
    @Test func `a view has value, life and record, each where there is one`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try (0..<100).map { try CacheKey("key \($0)") }
        let write = try VersionedWrite.put(keys[0], sealed(1), at: 5)
        try await world.push([write])
        try await world.command("SET", keys[1].string, "v")
        try await world.push([.remove(keys[2], at: 5)])
        try await world.command("LPUSH", keys[3].string, "v")
        let views = try await world.store.inspect(keys)
        #expect(views.count == 100)
        #expect(views[0].entry?.value == sealed(1) && views[0].record == write.record)
        #expect(views[0].entry?.remaining.map { $0 > .seconds(50) } == true)
        #expect(views[1].entry == RemoteEntry(value: [UInt8(ascii: "v")], remaining: nil) && views[1].record == nil)
        #expect(views[2].entry == nil && views[2].record?.kind == .tombstone)
        #expect(views[3...].allSatisfy { $0.entry == nil && $0.record == nil })
    }

    @Test func `a survey tells the server's time, and whether it may evict records`() async throws {
        let world = try await VersionedWorld.start()
        // The machine's own, but for how coarsely either reads it.
        let time = try await world.store.survey().time
        #expect(abs(time.milliseconds - SystemClock().now().milliseconds) < 10_000)
        for (limit, policy, evicts) in [
            ("0", "allkeys-lru", false), ("1gb", "noeviction", false), ("1gb", "volatile-ttl", false),
            ("1gb", "allkeys-lru", true), ("1gb", "allkeys-random", true), ("0", "noeviction", false),
        ] {
            try await world.command("CONFIG", "SET", "maxmemory", limit, "maxmemory-policy", policy)
            #expect(try await world.store.survey().evictsRecords == evicts, "\(limit) \(policy)")
        }
        world.server.kill9()
        #expect(await code { _ = try await world.store.survey() } == .remoteUnavailable)
    }

    @Test func `a sweep removes records that ended, and neither others nor marks`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(1_200)
        // A third ends in time, a third at that very time, a third later.
        for (part, end) in [(0, 999), (1, 1_000), (2, 1_001)] as [(Int, Int64)] {
            let writes = try stride(from: part, to: keys.count, by: 3).map {
                try VersionedWrite.put(keys[$0], [1], at: 5, end: end)
            }
            try await world.push(writes, node: UInt64(part))
        }
        let bucket = world.store.bucket(of: keys[0])
        var cursor: UInt64 = 0
        var removed = 0
        var steps = 0
        repeat {
            let step = try await world.store.sweep(
                bucket: bucket, from: cursor, endedBefore: Timestamp(milliseconds: 1_000))
            cursor = step.next
            removed += step.removed
            steps += 1
        } while cursor != 0
        #expect(removed == 400)
        #expect(steps > 1)
        let records = try await world.store.inspect(keys).map(\.record)
        #expect(records.enumerated().allSatisfy { ($1 == nil) == ($0 % 3 == 0) })
        #expect(try await world.store.marks(of: 0, in: [bucket]).map { try $0.get() } == [1])
        // The values are not its business; what is empty or not there is soon done.
        #expect(try await world.store.contains([keys[0]]) == [true])
        let none = try await world.store.sweep(
            bucket: (bucket + 1) % 256, from: 0, endedBefore: Timestamp(milliseconds: .max))
        #expect(none == SweepStep(next: 0, removed: 0))
    }

    @Test func `a fence ends the connections that it names, and not its own`() async throws {
        let server = try await RedisServer.start()
        let old = try makeStore(server.url) { $0.largeValueBytes = 4_096 }
        _ = try await old.write([try put("k", [UInt8](repeating: 1, count: 5_000))])
        let note = try await old.fence(nil)
        #expect(ConnectionNote(bytes: note).connections.values.map(\.count) == [2])
        let connections = try #require(ConnectionNote(bytes: note).connections.first)

        let store = try makeStore(server.url)
        // Of another start of the server: not the same connections, whatever their ids.
        var other = ConnectionNote()
        other.connections[String(repeating: "a", count: 40)] = connections.value
        let own = try await store.fence(other.bytes)
        #expect(try Self.clients(server).isSuperset(of: connections.value))
        // Its own stay, also when it is named.
        #expect(try await store.fence(own) == own)
        var both = ConnectionNote(bytes: note)
        both.connections[connections.key, default: []].formUnion(
            try #require(ConnectionNote(bytes: own).connections.values.first))
        #expect(try await store.fence(both.bytes) == own)
        #expect(try Self.clients(server).isDisjoint(with: connections.value))
        #expect(
            try Self.clients(server).isSuperset(of: try #require(ConnectionNote(bytes: own).connections.values.first)))
        // The other one connects again, under another id, and writes nothing by it before that is noted.
        for size in [1, 5_000] {
            #expect(
                await code { _ = try await old.write([try put("k", [UInt8](repeating: 2, count: size))]) }
                    == .remoteUnavailable)
        }
        let next = try await old.fence(nil)
        #expect(
            ConnectionNote(bytes: next).connections[connections.key].map { $0.isDisjoint(with: connections.value) }
                == true)
        for size in [1, 5_000] { _ = try await old.write([try put("k", [UInt8](repeating: 2, count: size))]) }
        #expect(try await store.fence(Array("no note".utf8)) == own)
    }

    @Test func `large values of a writer that is fenced go over a connection that the note has`() async throws {
        let server = try await RedisServer.start()
        let large = [UInt8](repeating: 1, count: 5_000)
        let store = try makeStore(server.url) {
            $0.largeValueBytes = 4_096
            $0.largeValueIdle = .milliseconds(50)
        }
        let noted = try #require(ConnectionNote(bytes: try await store.fence(nil)).connections.values.first)
        #expect(noted.count == 2)
        _ = try await store.write([try put("k", large)])
        // It is kept, since another one would be in no note.
        try await Task.sleep(for: .milliseconds(200))
        _ = try await store.write([try put("k", large)])
        #expect(try Self.clients(server).isSuperset(of: noted))
        // One that nobody fences closes as ever.
        let free = try makeStore(server.url) {
            $0.largeValueBytes = 4_096
            $0.largeValueIdle = .milliseconds(50)
        }
        _ = try await free.write([try put("k", large)])
        #expect(await eventually { (try? Self.clients(server).count) == noted.count + 2 })
    }

    @Test func `what a paused writer had on its way does not land after a fence`() async throws {
        let server = try await RedisServer.start()
        let old = try makeStore(server.url)
        let note = try await old.fence(nil)
        let store = try makeStore(server.url)
        _ = try await store.fence(nil)
        // The server reads nothing until both have written; then it serves them in any order.
        _ = try await store.command(words("CLIENT", "PAUSE", "500", "WRITE"))
        let late = Task { await code { _ = try await old.write([try put("k", [1])]) } }
        #expect(await eventually { server.command("INFO", "clients")?.text?.contains("blocked_clients:1") == true })
        _ = try await store.fence(note)
        _ = try await store.write([try put("k", [2])])
        #expect(await late.value == .mayHaveBeenApplied)
        #expect(try await store.read([try CacheKey("k")])[0]?.value == [2])
    }

    private static func clients(_ server: RedisServer) throws -> Set<UInt64> {
        let list = try #require(server.command("CLIENT", "LIST")?.text)
        return Set(
            list.split(separator: "\n").compactMap { line in
                line.split(separator: " ").first.flatMap { UInt64($0.dropFirst("id=".count)) }
            })
    }

    @Test func `a note survives its bytes, and holds no more than it may`() {
        var note = ConnectionNote()
        note.connections = [String(repeating: "a", count: 40): [3, 1], String(repeating: "b", count: 40): []]
        #expect(ConnectionNote(bytes: note.bytes) == note)
        #expect(ConnectionNote(bytes: []) == ConnectionNote())
        #expect(ConnectionNote(bytes: [0, 255, 10, 32, 10]) == ConnectionNote())
    }
}
