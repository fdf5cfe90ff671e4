import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Testing

@testable import CacheKit

/// What a caller meets when too much waits for the remote.
struct CachePressureTests {
    private let clock = ManualClock()
    private let local: SimulatedLocalStore
    private let remote: SimulatedRemoteStore
    private let away = CacheError(.remoteUnavailable, "the server can't be reached")

    init() {
        local = SimulatedLocalStore(clock: clock)
        remote = SimulatedRemoteStore(clock: clock)
    }

    /// A cache of which one change may be pending, or so many bytes.
    private func cache(_ response: BackPressure.Response, bytes: Int? = nil) async throws -> Cache {
        var sync = SyncConfiguration()
        sync.backPressure.changes = bytes == nil ? 1 : nil
        sync.backPressure.bytes = bytes
        sync.backPressure.response = response
        var configuration = CacheConfiguration()
        configuration.clock = clock
        return try await Cache(
            local: Chosen(store: local), remote: Chosen(store: remote), sync: .writeBehind(sync),
            encryption: .plain(fileKey: .keyring(try World.keyring.get())), configuration: configuration)
    }

    private func drive(_ condition: () async -> Bool) async -> Bool {
        await eventually {
            if await condition() { return true }
            for _ in 0..<20 { await Task.yield() }
            clock.advance(by: .milliseconds(20))
            return false
        }
    }

    @Test func `where the bound rejects, a write beyond it is refused at once and changes nothing`() async throws {
        let cache = try await cache(.reject)
        let values = cache.namespace("v", of: Int.self)
        try await values.set(1, for: "a")
        #expect(await code { try await values.set(2, for: "b") } == .backPressure)
        #expect(try await local.lastSequence() == ChangeSequence(1))
        _ = await cache.push(deadline: .seconds(5), retrying: false)
        try await values.set(2, for: "b")
        await cache.shutdown()
    }

    @Test func `where it blocks, a write goes through once the remote has taken something`() async throws {
        let cache = try await cache(.block(timeout: .seconds(5)))
        let values = cache.namespace("v", of: Int.self)
        try await values.set(1, for: "a")
        let write = Task { try await values.set(2, for: "b") }
        #expect(await eventually { clock.sleeperCount > 0 })
        #expect(try await local.lastSequence() == ChangeSequence(1))
        let run = Task { await cache.run() }
        try await write.value
        #expect(remote.batches > 0)
        run.cancel()
        await run.value
    }

    @Test(arguments: [false, true])
    func `what was loaded and had to wait does not undo a delete that did not`(isBatch: Bool) async throws {
        let cache = try await cache(.block(timeout: .seconds(60)), bytes: 400)
        let values = cache.namespace("v", of: [UInt8].self)
        try await values.set([1, 2, 3, 4], for: "a")
        // Bytes that do not pack, and too many while the other one waits.
        var random = SeededRandom(seed: 3)
        let large = (0..<380).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let load = Task { [large] in
            if isBatch { return try await values.getOrSet(["k"]) { _ in ["k": large] }["k"] }
            return try await values.getOrSet("k") { large }
        }
        // The load's own deadline is over then.
        try #require(await eventually { cache.statistics().loads == 1 && clock.sleeperCount == 1 })
        try await values.delete("k")
        let run = Task { await cache.run() }
        let ended = Counter()
        let all = Task {
            defer { ended.add() }
            return try await load.value
        }
        #expect(await drive { ended.value == 1 })
        #expect(try await all.value == large)
        #expect(try await values.get("k") == nil)
        #expect(await drive { (try? await cache.syncStatus()?.backlog.changes) == 0 })
        #expect(remote.count == 1)
        run.cancel()
        await run.value
    }

    @Test func `where it writes through, a write is acknowledged when the remote has it`() async throws {
        let cache = try await cache(.writeThrough(timeout: .seconds(60)))
        let values = cache.namespace("v", of: Int.self)
        remote.setOutage(away)
        try await values.set(1, for: "a")
        let acknowledged = Counter()
        let write = Task {
            try await values.set(2, for: "b")
            acknowledged.add()
        }
        // It is committed, and waits.
        #expect(await eventually { (try? await local.lastSequence()) == ChangeSequence(2) })
        let run = Task { await cache.run() }
        #expect(await drive { remote.refusedQuestions > 3 })
        #expect(acknowledged.value == 0)
        remote.setOutage(nil)
        #expect(await drive { acknowledged.value == 1 })
        #expect(remote.count == 2)
        try await write.value
        run.cancel()
        await run.value
    }

    @Test func `where it writes through, a write that loses or is given up is not acknowledged`() async throws {
        let cache = try await cache(.writeThrough(timeout: .seconds(60)))
        let values = cache.namespace("v", of: Int.self)
        remote.setOutage(away)
        try await values.set(1, for: "a")
        // Of one somebody else wrote a newer version, the other is refused again and again.
        let lost = try CacheKey("v:lost")
        let newer = Version(stamp: UInt64(clock.now().milliseconds + 3_600_000) << 16, node: 9)
        var held = VersionedCells()
        let delete = VersionedWrite(
            key: lost, action: .delete, version: newer, fingerprint: .none, base: [], isLate: false, isTooOld: false,
            acceptsAbsence: true, isResend: false, recordExpiresAt: clock.now().advanced(by: .seconds(60)))
        _ = held.push(
            BucketPush(
                bucket: remote.bucket(of: lost), writes: [delete], node: 9, expectedMark: 0, mark: 1,
                recordsMayBeLost: false, now: clock.now()),
            at: clock.now())
        remote.held = held
        let refused = try CacheKey("v:refused")
        remote.refuse(refused, with: CacheError(.remoteRejected, "the key holds a value of another type"))
        let writes = ["lost", "refused", "fine"].map { name in
            Task { await code { try await values.set(2, for: name) } }
        }
        #expect(await eventually { (try? await local.lastSequence()) == ChangeSequence(4) })
        remote.setOutage(nil)
        let run = Task { await cache.run() }
        let ended = Counter()
        let all = Task {
            var codes: [CacheError.Code?] = []
            for write in writes { codes.append(await write.value) }
            ended.add()
            return codes
        }
        #expect(await drive { ended.value == 1 })
        #expect(await all.value == [.notApplied, .notApplied, nil])
        run.cancel()
        await run.value
    }

    @Test func `a write that the remote does not take in time is refused, kept, and sent later`() async throws {
        let cache = try await cache(.writeThrough(timeout: .seconds(2)))
        let values = cache.namespace("v", of: Int.self)
        remote.setOutage(away)
        try await values.set(1, for: "a")
        let refused = Counter()
        let write = Task {
            if await code({ try await values.set(2, for: "b") }) == .backPressure { refused.add() }
        }
        #expect(await drive { refused.value == 1 })
        await write.value
        #expect(try await values.get("b") == 2)
        remote.setOutage(nil)
        _ = await cache.push(deadline: .seconds(5), retrying: false)
        #expect(remote.count == 2)
        await cache.shutdown()
    }
}
