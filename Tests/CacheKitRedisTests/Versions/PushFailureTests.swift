import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// What can go wrong beside a push, and whom it concerns.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct PushFailureTests {
    @Test func `a value of another type fails its own late write only`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(5)
        try await world.command("LPUSH", keys[2].string, "x")
        let late = try keys.map { try VersionedWrite.put($0, sealed(1), at: 5, isLate: true) }
        #expect(
            try await world.push(late)
                == Pushed(["applied", "applied", "failed remoteRejected", "applied", "applied"]))
        #expect(try await world.record(keys[2]) == nil)
        #expect(try await world.mark(keys[0]) == 1)
        let deletes = keys.map { VersionedWrite.remove($0, at: 6, isLate: true) }
        #expect(
            try await world.push(deletes).verdicts
                == ["applied", "applied", "failed remoteRejected", "applied", "applied"])
        // A fresh one asks nobody, as SET and DEL do.
        #expect(try await world.push([try .put(keys[2], sealed(1), at: 5)]).verdicts == ["applied"])
        #expect(try await world.value(keys[2]) == sealed(1))
    }

    @Test func `a bucket of another type fails the whole push and no other one`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(2)
        let bucket = world.store.bucket(of: keys[0])
        let others = try (0..<10).map { try CacheKey("o\($0)") }
        let other = try #require(others.first { world.store.bucket(of: $0) != bucket })
        try await world.command("SET", "ckv:\(bucket)", "x")
        let pushes = try [keys, [other]].map { keys in
            BucketPush(
                bucket: world.store.bucket(of: keys[0]), writes: try keys.map { try .put($0, sealed(1), at: 5) },
                node: 7,
                expectedMark: 0, mark: 1, recordsMayBeLost: false, now: Timestamp(milliseconds: VersionedWorld.now))
        }
        let answers = try await world.store.push(pushes).map { Pushed($0) }
        #expect(answers[0].failure == .remoteRejected)
        #expect(answers[1] == Pushed(["applied"]))
        #expect(try await world.store.contains(keys) == [false, false])
        #expect(await code { _ = try await world.record(keys[0]) } == .remoteRejected)
        #expect(await code { _ = try await world.mark(keys[0]) } == .remoteRejected)
    }

    @Test func `fields that are no records and no marks count as none`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        let bucket = Array("ckv:\(world.store.bucket(of: key))".utf8)
        try await world.command(
            Array("HSET".utf8), bucket, Array("k".utf8), [1, 2], Buckets.markField(of: 7), [9], Array("node".utf8), [0])
        #expect(try await world.record(key) == nil)
        #expect(try await world.mark(key) == nil)
        let write = try VersionedWrite.put(key, sealed(1), at: 5, isLate: true)
        #expect(try await world.push([write], mark: 3) == Pushed(["applied"]))
        #expect(try await world.record(key) == write.record)
        #expect(try await world.mark(key) == 3)
        // One of a kind that is not known here is left alone, and is the failure of its key.
        var bytes = RecordCodec.encode(write.record)
        bytes[16] = 9
        try await world.command(Array("HSET".utf8), bucket, Array("k".utf8), bytes)
        #expect(try await world.push([try .put(key, sealed(2), at: 4)]).verdicts == ["failed remoteProtocol"])
    }

    @Test func `a script that a server has forgotten is sent along, in the order of each bucket`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(2)
        let bucket = world.store.bucket(of: keys[0])
        for round in 1...3 as ClosedRange<UInt64> {
            // The same key three times, and another bucket between.
            let pushes = try (0..<3).map { step in
                BucketPush(
                    bucket: bucket, writes: [try .put(keys[0], sealed(UInt8(step)), at: 10 * round + UInt64(step))],
                    node: 7, expectedMark: 0, mark: 1, recordsMayBeLost: false,
                    now: Timestamp(milliseconds: VersionedWorld.now))
            }
            #expect(
                try await world.store.push(pushes).map { Pushed($0).verdicts } == [
                    ["applied"], ["applied"], ["applied"],
                ])
            #expect(try await world.value(keys[0]) == sealed(2))
            try await world.command("SCRIPT", "FLUSH")
        }
        // Known by its hash after the first time.
        try await world.push([try .put(keys[1], sealed(1), at: 5)])
        try await world.command("CONFIG", "RESETSTAT")
        try await world.push([try .put(keys[1], sealed(1), at: 6)])
        guard case .bulkString(let stats) = try await world.command("INFO", "commandstats") else {
            throw CacheError(.internalFault, "no statistics")
        }
        let fields = ServerFields(stats)
        #expect(fields["cmdstat_eval"] == nil && fields["cmdstat_evalsha"]?.hasPrefix("calls=1,") == true)
        #expect(fields["cmdstat_hmget"]?.hasPrefix("calls=1,") == true)
        #expect(fields["cmdstat_set"]?.hasPrefix("calls=1,") == true)
        #expect(fields["cmdstat_hset"]?.hasPrefix("calls=1,") == true)
    }

    @Test func `many fresh writes cost one read and one write of their bucket`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(50)
        try await world.push(try keys.map { try .put($0, sealed(1), at: 5) })
        try await world.command("CONFIG", "RESETSTAT")
        #expect(
            try await world.push(try keys.map { try .put($0, sealed(2), at: 6) }).verdicts
                == Array(repeating: "applied", count: 50))
        guard case .bulkString(let stats) = try await world.command("INFO", "commandstats") else {
            throw CacheError(.internalFault, "no statistics")
        }
        let fields = ServerFields(stats)
        #expect(fields["cmdstat_hmget"]?.hasPrefix("calls=1,") == true)
        #expect(fields["cmdstat_set"]?.hasPrefix("calls=50,") == true)
        #expect(fields["cmdstat_hset"]?.hasPrefix("calls=1,") == true)
        #expect(fields["cmdstat_getrange"] == nil)
    }

    @Test func `a server without memory is not ready, and neither value nor record nor mark is left`() async throws {
        let world = try await VersionedWorld.start()
        let keys = try world.keys(3)
        try await world.push([try .put(keys[1], sealed(1), at: 4)])
        try await world.command("CONFIG", "SET", "maxmemory", "1")
        let puts = try keys.map { try VersionedWrite.put($0, sealed(2), at: 5) }
        #expect(try await world.push(puts, mark: 2).failure == .remoteNotReady)
        // What needs no memory is done, and what comes after it in the same step.
        let mixed = [puts[0], .remove(keys[1], at: 5), puts[2]]
        #expect(
            try await world.push(mixed, mark: 2) == Pushed(mark: 1, ["failed remoteNotReady", "applied", "applied"]))
        try await world.command("CONFIG", "SET", "maxmemory", "0")
        let views = try await world.store.inspect(keys)
        #expect(views.map(\.entry?.value) == [nil, nil, sealed(2)])
        #expect(views.map(\.record) == [nil, mixed[1].record, puts[2].record])
        #expect(try await world.push([puts[0]], mark: 2) == Pushed(mark: 2, ["applied"]))
    }

    @Test func `a replica refuses a push, and a user who may not write is told so`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        try await world.push([try .put(key, sealed(1), at: 5)])
        try await world.command("REPLICAOF", "127.0.0.1", "1")
        #expect(try await world.push([try .put(key, sealed(1), at: 6)], mark: 2).failure == .remoteNotReady)
        try await world.command("REPLICAOF", "NO", "ONE")

        try await world.command(
            "ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-set", "-info", "-client|kill")
        let limited = VersionedWorld(
            server: world.server, store: try makeStore("redis://limited:pw@127.0.0.1:\(world.server.port)/0"))
        #expect(
            try await limited.push([try .put(key, sealed(1), at: 7)]).verdicts == ["failed remoteAuthentication"])
        #expect(try await limited.store.survey().evictsRecords == nil)
        #expect(await code { _ = try await limited.store.fence(nil) } == .remoteAuthentication)
        try await world.command("ACL", "SETUSER", "limited", "-evalsha")
        #expect(try await limited.push([try .put(key, sealed(1), at: 7)]).failure == .remoteAuthentication)
    }

    @Test func `pushes that could not be sent are told apart from those that may have been applied`() async throws {
        let world = try await VersionedWorld.start()
        let key = try CacheKey("k")
        try await world.push([try .put(key, sealed(1), at: 5)])
        world.server.kill9()
        #expect(await code { try await world.push([try .put(key, sealed(1), at: 6)]) } == .remoteUnavailable)
        try await world.server.restart()
        #expect(await eventually { (try? await world.store.ping()) != nil })
        // The first batch is answered, the second one is over the limit of what a push may have.
        let many = try world.keys(1) + (0..<2_000).map { try CacheKey("many \($0)") }
        let answers = try await world.store.push(
            [[key], many].map { keys in
                BucketPush(
                    bucket: 1, writes: try keys.map { try .put($0, [1], at: 7) }, node: 7, expectedMark: 0, mark: 1,
                    recordsMayBeLost: false, now: Timestamp(milliseconds: VersionedWorld.now))
            }
        ).map { Pushed($0) }
        #expect(answers[0] == Pushed(["applied"]))
        #expect(answers[1].failure == .invalidArgument)
        #expect(try await world.store.push([]).isEmpty)
        let most = Array(many.dropFirst())
        #expect(
            try await world.push(try most.map { try .put($0, [1], at: 7, isLate: true) }).verdicts
                == Array(repeating: "applied", count: 2_000))
    }

    @Test func `a push of a large value and a small one after it stay in order`() async throws {
        let server = try await RedisServer.start()
        let store = try makeStore(server.unixURL) { $0.largeValueBytes = 100_000 }
        let world = VersionedWorld(server: server, store: store)
        let keys = try world.keys(2)
        let large = [UInt8](repeating: 1, count: 2_000_000)
        for round in 1...5 as ClosedRange<UInt64> {
            async let first = world.push([try .put(keys[0], large, at: 10 * round)], mark: 2 * round)
            #expect(
                try await world.push([try .put(keys[1], [1], at: 10 * round)], mark: 2 * round).verdicts == ["applied"])
            #expect(try await first.verdicts == ["applied"])
        }
        #expect(try await world.value(keys[0])?.count == 2_000_000)
    }
}
