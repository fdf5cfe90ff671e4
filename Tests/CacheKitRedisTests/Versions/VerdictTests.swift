import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitRedis

// The lines of the tables in docs/sync.md, "Verdicts", one by one.
@Suite(.serialized, .timeLimit(.minutes(2)), .enabled(if: RedisServer.isInstalled, "redis-server is not in PATH"))
struct VerdictTests {
    private let world: VersionedWorld
    private let key: CacheKey

    init() async throws {
        world = try await VersionedWorld.start()
        key = try CacheKey("k")
    }

    @Test func `a fresh put stores value, life, record and mark, whoever wrote before`() async throws {
        try await world.command("SET", "k", "of somebody else")
        let write = try VersionedWrite.put(key, sealed(1), at: 5)
        #expect(try await world.push([write], mark: 9) == Pushed(["applied"]))
        let view = try await world.store.inspect([key])[0]
        #expect(view.entry?.value == sealed(1))
        let life = try #require(view.entry?.remaining)
        #expect(life > .seconds(50) && life <= .seconds(60))
        #expect(view.record == write.record)
        #expect(try await world.mark(key) == 9)
    }

    @Test func `a fresh delete removes the value and leaves a tombstone, also where nothing is`() async throws {
        try await world.command("SET", "k", "of somebody else")
        let keys = try world.keys(2)
        let writes = keys.map { VersionedWrite.remove($0, at: 5) }
        #expect(try await world.push(writes).verdicts == ["applied", "applied"])
        #expect(try await world.store.contains(keys) == [false, false])
        #expect(try await world.store.inspect(keys).map(\.record) == writes.map(\.record))
    }

    @Test func `a put that is over deletes, and its tombstone has its fingerprint`() async throws {
        try await world.push([try .put(key, sealed(1), at: 5)])
        let write = VersionedWrite.remove(key, at: 6, expired: try .tag(sealed(2)))
        #expect(try await world.push([write], mark: 2) == Pushed(mark: 1, ["applied"]))
        #expect(try await world.value(key) == nil)
        #expect(try await world.record(key) == write.record)
        // Sent again it is known, also by one who does not know what it was to store.
        #expect(try await world.push([write], mark: 2).verdicts == ["already"])
    }

    @Test func `line 1: what took effect before is known by its fingerprint or one of its base`() async throws {
        let write = try VersionedWrite.put(key, sealed(1), at: 5)
        try await world.push([write])
        #expect(try await world.push([write]) == Pushed(mark: 1, ["already"]))
        for base in [[try ValueFingerprint.tag(sealed(1))], [.none, try .tag(sealed(1))]] {
            // Another seal of the same value.
            let resealed = try VersionedWrite.put(key, sealed(9), at: 5, base: base)
            #expect(try await world.push([resealed]).verdicts == ["already"])
        }
        #expect(try await world.value(key) == sealed(1))
    }

    @Test func `the zeros of a delete match no value, also none that ends in zeros`() async throws {
        let zeros = [UInt8](repeating: 0, count: 20)
        _ = try await world.store.write([RemoteWrite(key: key, action: .put(zeros, timeToLive: .seconds(60)))])
        let foreign = "foreign " + hex(try ValueFingerprint.plain(zeros).bytes)
        for base in [[], [ValueFingerprint.none]] {
            let delete = VersionedWrite.remove(key, at: 5, base: base, isLate: true)
            #expect(try await world.push([delete]).verdicts == [foreign])
        }
        let put = try VersionedWrite.put(key, sealed(1), at: 6, base: [.none], isLate: true)
        #expect(try await world.push([put]).verdicts == [foreign])
        #expect(try await world.value(key) == zeros)
    }

    @Test func `line 2: the same version with another value is a clash, and changes nothing`() async throws {
        let write = try VersionedWrite.put(key, sealed(1), at: 5)
        try await world.push([write])
        let other = try VersionedWrite.put(key, sealed(2), at: 5, base: [try .tag(sealed(3))])
        #expect(try await world.push([other]).verdicts == ["clash"])
        #expect(try await world.push([.remove(key, at: 5)]).verdicts == ["clash"])
        #expect(try await world.value(key) == sealed(1))
        #expect(try await world.record(key) == write.record)
    }

    @Test func `line 3: a newer version stops everything and is told, late or not, in a lost bucket too`() async throws
    {
        let write = try VersionedWrite.put(key, sealed(1), at: 5, node: 8)
        try await world.push([write])
        let stale = "stale " + hex(RecordCodec.encode(write.record))
        for (stamp, node) in [(5, 7), (4, 9)] as [(UInt64, UInt64)] {
            for isLate in [false, true] {
                let older = try VersionedWrite.put(key, sealed(2), at: stamp, node: node, isLate: isLate)
                #expect(try await world.push([older]).verdicts == [stale])
                #expect(try await world.push([older], expected: 99).verdicts == [stale])
            }
        }
        #expect(try await world.push([.remove(key, at: 4, isLate: true)]).verdicts == [stale])
        #expect(try await world.value(key) == sealed(1))
        #expect(try await world.push([try .put(key, sealed(2), at: 5, node: 9)]).verdicts == ["applied"])
    }

    @Test func `versions are compared as numbers, in every one of their bytes`() async throws {
        var previous = Version(stamp: 0, node: 0)
        for shift in 0..<16 {
            let bit: UInt64 = 1 << UInt64(shift % 8 * 8 + 7)
            let next = shift < 8 ? Version(stamp: 0, node: bit) : Version(stamp: bit, node: 0)
            let value = sealed(UInt8(shift))
            #expect(
                try await world.push([try .put(key, value, at: next.stamp, node: next.node)]).verdicts == ["applied"])
            let older = try VersionedWrite.put(key, sealed(99), at: previous.stamp, node: previous.node)
            #expect(try await world.push([older]).verdicts[0].hasPrefix("stale"), "byte \(shift)")
            previous = next
        }
    }

    @Test func `line 4: a late write leaves what somebody without versions wrote, and tells its fingerprint`()
        async throws
    {
        try await world.push([try .put(key, sealed(1), at: 5)])
        for value in [[1], Array("foreign value of some length".utf8), [UInt8](repeating: 7, count: 100_000)] {
            try await world.command(Array("SET".utf8), Array("k".utf8), value)
            let foreign = "foreign " + hex(try ValueFingerprint.plain(value).bytes)
            let put = try VersionedWrite.put(key, sealed(2), at: 6, base: [try .tag(sealed(3))], isLate: true)
            #expect(try await world.push([put]).verdicts == [foreign])
            #expect(try await world.push([.remove(key, at: 6, isLate: true)]).verdicts == [foreign])
            #expect(try await world.value(key) == value)
        }
        #expect(try await world.record(key)?.version == Version(stamp: 5, node: 7))
    }

    @Test func `line 4: a late write replaces what it, its base or the record knows, in either form`() async throws {
        let known = [sealed(1), [UInt8](repeating: 5, count: 9), [UInt8](repeating: 6, count: 70_000)]
        for (index, value) in known.enumerated() {
            for isPlain in [true, false] where isPlain || value.count >= 16 {
                let fingerprint = isPlain ? try ValueFingerprint.plain(value) : try .tag(value)
                let stamp = UInt64(10 * index) + (isPlain ? 100 : 200)
                // No record: by its base. Nobody's record: by its own fingerprint. Then by the record.
                try await world.command("DEL", "ckv:\(world.store.bucket(of: key))")
                try await world.command(Array("SET".utf8), Array("k".utf8), value)
                var write = try VersionedWrite.put(
                    key, sealed(20), at: stamp, base: [.none, fingerprint], isLate: true)
                #expect(try await world.push([write]).verdicts == ["applied"])
                try await world.command(Array("SET".utf8), Array("k".utf8), value)
                write = try .put(key, value, at: stamp + 1, isPlain: isPlain, isLate: true)
                #expect(try await world.push([write]).verdicts == ["applied"])
                #expect(try await world.push([.remove(key, at: stamp + 2, isLate: true)]).verdicts == ["applied"])
                #expect(try await world.value(key) == nil)
            }
        }
    }

    @Test func `line 4: what was lost makes nothing foreign, as found or as the sender says`() async throws {
        for (isShort, stamp) in [(true, 5), (false, 6)] as [(Bool, UInt64)] {
            try await world.command("SET", "k", "of somebody else")
            let write = try VersionedWrite.put(key, sealed(1), at: stamp, isLate: true)
            let pushed = try await world.push([write], expected: isShort ? 3 : 0, mark: 3, doubts: !isShort)
            #expect(pushed.verdicts == ["applied"])
            // Only a short bucket's mark stays: who doubts has found it.
            #expect(try await world.mark(key) == (isShort ? nil : 3))
        }
        #expect(try await world.value(key) == sealed(1))
    }

    @Test func `line 4: a tombstone's fingerprint does not make a value known`() async throws {
        try await world.push([.remove(key, at: 5, expired: try .tag(sealed(1)))])
        try await world.command(Array("SET".utf8), Array("k".utf8), sealed(1))
        #expect(try await world.push([try .put(key, sealed(2), at: 6, isLate: true)]).verdicts[0].hasPrefix("foreign"))
    }

    @Test func `a foreign value stays and gets the record of what is sent again`() async throws {
        try await world.command("SET", "k", "of somebody else")
        for write in [
            try VersionedWrite.put(key, sealed(1), at: 5, isLate: true, isResend: true),
            .remove(key, at: 6, isLate: true, isResend: true),
        ] {
            #expect(try await world.push([write]).verdicts[0].hasPrefix("foreign"))
            #expect(try await world.record(key) == write.record)
        }
        #expect(try await world.value(key) == Array("of somebody else".utf8))
    }

    @Test func `line 5: a late put where a live value is gone is absent, unless it accepts that`() async throws {
        func lateButGone(_ stamp: UInt64, accepts: Bool = false, expected: UInt64 = 0) async throws -> [String] {
            try await world.command("DEL", "k")
            let write = try VersionedWrite.put(key, sealed(2), at: stamp, isLate: true, acceptsAbsence: accepts)
            return try await world.push([write], expected: expected).verdicts
        }
        try await world.push([try .put(key, sealed(1), at: 5)])
        #expect(try await lateButGone(6) == ["absent"])
        #expect(try await world.value(key) == nil)
        #expect(try await world.record(key)?.version == Version(stamp: 5, node: 7))
        // An empty value counts as none.
        try await world.command("SET", "k", "")
        #expect(try await world.push([try .put(key, sealed(2), at: 6, isLate: true)]).verdicts == ["absent"])
        #expect(try await lateButGone(6, accepts: true) == ["applied"])
        #expect(try await world.value(key) == sealed(2))
        #expect(try await lateButGone(7, expected: 99) == ["applied"])
        #expect(try await world.push([.remove(key, at: 8, isLate: true)]).verdicts == ["applied"])
        // A tombstone, and a value whose life is over by the time of sending, are no live values.
        #expect(try await lateButGone(9) == ["applied"])
        try await world.push([try .put(key, sealed(1), at: 10, end: VersionedWorld.now)])
        #expect(try await lateButGone(11) == ["applied"])
        try await world.push([try .put(key, sealed(1), at: 12, end: VersionedWorld.now + 1)])
        #expect(try await lateButGone(13) == ["absent"])
    }

    @Test func `line 6: a put older than tombstones needs a record, or a value that it knows`() async throws {
        func tooOld(_ stamp: UInt64, isLate: Bool = true, base: [ValueFingerprint] = []) async throws -> [String] {
            let write = try VersionedWrite.put(
                key, sealed(2), at: stamp, base: base, isLate: isLate, isTooOld: true)
            // Also in a lost bucket, and where it is not late.
            return try await world.push([write], expected: isLate ? 0 : 99).verdicts
        }
        #expect(try await tooOld(5) == ["tooOld"])
        #expect(try await tooOld(5, isLate: false) == ["tooOld"])
        try await world.command("SET", "k", "")
        #expect(try await tooOld(5) == ["tooOld"])
        try await world.command("SET", "k", "of somebody else")
        #expect(try await tooOld(5)[0].hasPrefix("foreign"))
        #expect(try await tooOld(5, isLate: false) == ["tooOld"])
        #expect(try await world.value(key) == Array("of somebody else".utf8))
        let known = try ValueFingerprint.plain(Array("of somebody else".utf8))
        #expect(try await tooOld(5, isLate: false, base: [known]) == ["applied"])
        #expect(try await tooOld(6) == ["applied"])
        // Deletes are applied however old they are.
        let other = try CacheKey("other")
        #expect(try await world.push([.remove(other, at: 1, isLate: true, isTooOld: true)]).verdicts == ["applied"])
    }

    @Test func `line 7: a late write of a key that nobody has is applied, and a life has bounds`() async throws {
        let keys = try world.keys(3)
        let lives: [Duration] = [.seconds(60), .zero, .seconds(1 << 40)]
        let writes = try zip(keys, lives).map { try VersionedWrite.put($0, [1], at: 5, isLate: true, life: $1) }
        #expect(try await world.push(writes).verdicts == ["applied", "applied", "applied"])
        #expect(await eventually { (try? await world.value(keys[1])) == .some(nil) })
        let life = try await world.store.read([keys[2]])[0]?.remaining ?? .zero
        #expect(life > .seconds(90 * 365 * 86_400))
        // A value without an end gets one.
        try await world.command("PERSIST", keys[0].string)
        let next = try VersionedWrite.put(keys[0], [2], at: 6, isLate: true)
        #expect(try await world.push([next]).verdicts == ["applied"])
        #expect(try await world.store.read([keys[0]])[0]?.remaining != nil)
    }
}
