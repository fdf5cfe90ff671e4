import CacheKitCore
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

/// How the tiers agree when several write at once.
struct CacheCoherenceTests {
    private let away = CacheError(.remoteUnavailable, "away")

    @Test func `a pending delete hides what the remote still holds`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(1))
        world.remote.setOutage(away)
        try await numbers.delete("k")
        world.remote.setOutage(nil)
        #expect(world.remote.value(of: try CacheKey("n:k")) != nil)
        #expect(try await numbers.get("k") == nil)
        #expect(try await numbers.get(["k"]).isEmpty)
        #expect(try await !numbers.contains("k"))
        #expect(world.remote.reads == 0)
        _ = await world.cache.push(deadline: .seconds(1))
        #expect(world.remote.value(of: try CacheKey("n:k")) == nil)
    }

    @Test func `a pending write that expired hides the remote's older value too`() async throws {
        let world = try await World(.allTiers)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        _ = await world.cache.push(deadline: .seconds(1))
        try await numbers.set(2, for: "k", ttl: .seconds(5))
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.get("k") == nil)
    }

    @Test func `after a settled delete another node's newer value is seen`() async throws {
        let world = try await World(.allTiers)
        let other = try await World(.remoteOnly, beside: world)
        try await world.namespace("n", of: Int.self).delete("k")
        _ = await world.cache.push(deadline: .seconds(1))
        try await other.namespace("n", of: Int.self).set(5, for: "k")
        #expect(try await world.namespace("n", of: Int.self).get("k") == 5)
    }

    @Test(arguments: Setting.withRemote)
    func `a value from the remote fills the tiers above it and keeps what remains of its life`(
        setting: Setting
    ) async throws {
        let world = try await World(setting)
        let other = try await World(
            Setting(hasRemote: true, isSecure: setting.isSecure, mode: setting.mode), beside: world)
        try await other.namespace("n", of: Int.self).set(7, for: "k", ttl: .seconds(100))
        world.clock.advance(by: .seconds(90))
        let numbers = world.namespace("n", of: Int.self, ttl: .seconds(1000))
        #expect(try await numbers.get("k") == 7)
        #expect(try await numbers.get("k") == 7)
        #expect(world.remote.reads == 1)
        #expect(world.cache.statistics().remoteHits == 1)
        if setting.hasLocal {
            let row = try #require(try await world.local.read([CacheKey("n:k")])[0])
            #expect(row.origin == .remote)
            #expect(row.expiresAt == world.clock.now().advanced(by: .seconds(10)))
            #expect(try await world.local.backlog().changes == 0)
        }
        world.clock.advance(by: .milliseconds(9999))
        world.remote.setOutage(away)
        #expect(try await numbers.get("k") == 7)
        world.clock.advance(by: .milliseconds(1))
        #expect(try await numbers.get("k") == nil)
    }

    @Test func `the remaining life counts from the question, not from the answer`() async throws {
        let world = try await World(.allTiers)
        let other = try await World(.remoteOnly, beside: world)
        try await other.namespace("n", of: Int.self).set(7, for: "k", ttl: .seconds(10))
        let expiry = try #require(world.remote.expiry(of: try CacheKey("n:k")))
        world.remote.setReadHook { [clock = world.clock] in clock.advance(by: .seconds(3)) }
        #expect(try await world.namespace("n", of: Int.self).get("k") == 7)
        #expect(try await world.local.read([CacheKey("n:k")])[0]?.expiresAt == expiry)
    }

    @Test func `a value without expiry at the remote lives here as long as its namespace says`() async throws {
        let world = try await World(Setting(hasLocal: true, hasRemote: true, isSecure: false, mode: .interop))
        world.remote.put([42], for: try CacheKey("n:k"), expiresAt: nil)
        #expect(try await world.namespace("n", of: Int.self, ttl: .seconds(20)).get("k") == 42)
        let row = try #require(try await world.local.read([CacheKey("n:k")])[0])
        #expect(row.expiresAt == world.clock.now().advanced(by: .seconds(20)))
    }

    @Test(arguments: [Setting.allTiers, .remoteOnly], [true, false])
    func `a local write during the read of the remote wins`(setting: Setting, isDelete: Bool) async throws {
        let world = try await World(setting)
        let other = try await World(.remoteOnly, beside: world)
        try await other.namespace("n", of: Int.self).set(1, for: "k")
        let numbers = world.namespace("n", of: Int.self)
        world.remote.setReadHook { [remote = world.remote] in
            remote.setReadHook(nil)
            if isDelete { try? await numbers.delete("k") } else { try? await numbers.set(2, for: "k") }
        }
        let overlapping = try await numbers.get("k")
        // Without a local store the read began before the write, and may have either answer.
        if setting.hasLocal { #expect(overlapping == (isDelete ? nil : 2)) }
        #expect(try await numbers.get("k") == (isDelete ? nil : 2))
    }

    @Test func `who asks after a write is not answered by a read from before it`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        try world.forget("n:k")
        let gate = Gate()
        world.remote.setReadHook { await gate.wait() }
        let slow = Task { try await numbers.get("k") }
        #expect(await eventually { gate.waiterCount == 1 })
        try await numbers.delete("k")
        world.remote.setReadHook(nil)
        #expect(try await numbers.get("k") == nil)
        gate.open()
        _ = try await slow.value
        #expect(try await numbers.get("k") == nil)
    }

    @Test func `many readers of one missing key ask the remote once`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        world.remote.setReadHook { await gate.wait() }
        let readers = (0..<100).map { _ in Task { try await numbers.get("k") } }
        #expect(await eventually { world.cache.remoteReads.waiterCount == 100 })
        gate.open()
        for reader in readers { #expect(try await reader.value == nil) }
        #expect(world.remote.reads == 1)
    }

    @Test func `two overlapping write-throughs leave no value in memory, whoever ends last`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        let gate = Gate()
        world.remote.setWriteHook { await gate.wait() }
        let first = Task { try await numbers.set(1, for: "k") }
        let second = Task { try await numbers.set(2, for: "k") }
        #expect(await eventually { gate.waiterCount == 2 })
        gate.open()
        try await first.value
        try await second.value
        #expect(try world.cache.memoryEntry(for: CacheKey("n:k")) == nil)
        #expect(try await [1, 2].contains(numbers.get("k")))
    }

    @Test func `a batch written through is in memory whole`() async throws {
        let world = try await World(.remoteOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(Dictionary(uniqueKeysWithValues: (0..<2000).map { ("\($0)", $0) }))
        #expect(try await numbers.get((0..<2000).map(String.init)).count == 2000)
        #expect(world.remote.reads == 0)
    }

    @Test func `another process's commit reaches memory within the coherence interval`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        let key = try CacheKey("n:k")
        try await numbers.set(1, for: "k")
        let sealed = try world.cache.sealer.seal([2], key: key, mode: .native)
        let theirs = LocalChange(
            key: key, value: sealed.bytes, form: sealed.form, mode: .native,
            expiresAt: world.clock.now().advanced(by: .seconds(60)))
        let run = Task { await world.cache.run() }
        // Maintenance, coherence, metrics.
        #expect(await eventually { world.clock.sleeperCount == 4 })
        try await world.local.commitAsAnotherProcess([theirs])
        #expect(try await numbers.get("k") == 1)
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { (try? await numbers.get("k")) == 2 })
        run.cancel()
        await run.value
    }

    @Test func `a failure while following commits forgets none of them`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "k")
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount == 4 })
        let key = try CacheKey("n:k")
        try await world.local.commitAsAnotherProcess([
            LocalChange(key: key, value: nil, form: .plain, mode: .native, expiresAt: world.clock.now())
        ])
        world.local.failNext(.busy, on: .feed)
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { world.log.texts(.error).count == 1 && world.clock.sleeperCount == 4 })
        #expect(world.cache.memoryEntry(for: key) != nil)
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { world.cache.memoryEntry(for: key) == nil })
        run.cancel()
        await run.value
    }

    @Test(arguments: [CacheError.Code.tamperedStore, .damagedStore])
    func `while the file can't say what changed, memory keeps nothing`(code: CacheError.Code) async throws {
        let world = try await World(.localOnly)
        try await world.namespace("n", of: Int.self).set(1, for: "k")
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount == 4 })
        try await world.local.commitAsAnotherProcess([])
        world.local.failNext(.error(CacheError(code, "broken")), on: .feed)
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { world.log.texts(.error).count == 1 && world.clock.sleeperCount == 4 })
        #expect(try world.cache.memoryEntry(for: CacheKey("n:k")) == nil)
        #expect(try await world.namespace("n", of: Int.self).get("k") == 1)
        run.cancel()
        await run.value
    }

    @Test func `an altered row empties memory once, and later changes of others are followed`() async throws {
        let world = try await World(.localOnly)
        let numbers = world.namespace("n", of: Int.self)
        try await numbers.set(1, for: "kept")
        try await numbers.set(1, for: "k")
        let run = Task { await world.cache.run() }
        #expect(await eventually { world.clock.sleeperCount == 4 })
        func change(_ name: String, _ number: UInt8) throws -> LocalChange {
            let key = try CacheKey(name)
            let sealed = try world.cache.sealer.seal([number], key: key, mode: .native)
            return LocalChange(
                key: key, value: sealed.bytes, form: sealed.form, mode: .native,
                expiresAt: world.clock.now().advanced(by: .seconds(60)))
        }
        try await world.local.commitAsAnotherProcess([change("n:altered", 1), change("n:k", 2)])
        try world.local.alter(CacheKey("n:altered"))
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { (try? await numbers.get("k")) == 2 && world.clock.sleeperCount == 4 })
        #expect(try world.cache.memoryEntry(for: CacheKey("n:kept")) == nil)
        #expect(world.log.texts(.error).count == 1)
        #expect(try await numbers.get("kept") == 1)
        #expect(await eventually { world.clock.sleeperCount == 4 })
        try await world.local.commitAsAnotherProcess([change("n:k", 3)])
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { (try? await numbers.get("k")) == 3 })
        #expect(try world.cache.memoryEntry(for: CacheKey("n:kept")) != nil)
        #expect(world.log.texts(.error).count == 1)
        run.cancel()
        await run.value
    }
}
