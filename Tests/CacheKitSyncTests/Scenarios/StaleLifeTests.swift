import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

/// Values that are kept here beyond their life: the remote hears of the life alone.
struct StaleLifeTests {
    private let scene = Scene()

    /// A life of 100 s, and 1,000 s more.
    private func put(_ key: String, _ node: Node) async throws {
        let end = node.corrected.now().advanced(by: .seconds(100))
        try await node.local.commit([
            LocalChange(
                key: try CacheKey(key), value: [1], form: .plain, mode: .native,
                expiresAt: end.advanced(by: .seconds(1_000)), staleAt: end)
        ])
    }

    private func expiry(_ key: String) throws -> Timestamp? { scene.remote.expiry(of: try CacheKey(key)) }

    @Test func `a value's life there ends when it does here, and so its record says`() async throws {
        let node = scene.node(1)
        try await put("k", node)
        await node.push()
        let end = scene.time.now().advanced(by: .seconds(100))
        #expect(try expiry("k") == end)
        #expect(try scene.record("k")?.expiresAt == end)
    }

    @Test func `what was over before it was sent goes as a delete, and its row stays to be served stale`() async throws
    {
        let node = scene.node(1)
        try await node.put("k", [0])
        await node.push()
        try await put("k", node)
        scene.pass(.seconds(101))
        await node.push()
        #expect(try scene.value("k") == nil)
        #expect(try scene.record("k")?.kind == .tombstone)
        #expect(node.outcomes.expired == 1)
        #expect(try await node.local.backlog().changes == 0)
        #expect(try node.value("k") == [1])
        let row = try #require(node.local.file.rows[try CacheKey("k")])
        #expect(row.staleAt < scene.time.now() && row.expiresAt > scene.time.now())
    }

    @Test func `without versions it goes as a delete, too`() async throws {
        let node = scene.node(1) { $0.policy.isSingleWriter = true }
        try await node.put("k", [0])
        await node.push()
        try await put("k", node)
        scene.pass(.seconds(101))
        await node.push()
        #expect(try scene.value("k") == nil)
        #expect(try node.value("k") == [1])
    }

    @Test func `a life that begins when it is sent is no longer than it was`() async throws {
        let node = scene.node(1) { $0.policy.pendingKeepsAlive = true }
        try await put("k", node)
        scene.pass(.seconds(500))
        await node.push()
        #expect(try expiry("k") == scene.time.now().advanced(by: .seconds(100)))
    }

    @Test func `a stamp a year ahead is set back with both ends`() async throws {
        let node = scene.node(1, skew: Scene.year)
        try await put("k", node)
        await node.push()
        let end = scene.time.now().advanced(by: .seconds(100))
        #expect(try expiry("k") == end)
        let row = try #require(node.local.file.rows[try CacheKey("k")])
        #expect(row.staleAt == end)
        #expect(row.expiresAt == end.advanced(by: .seconds(1_000)))
    }

    @Test func `what takes a loser's place is kept for as long as its namespace keeps stale values`() throws {
        let key = try CacheKey("k")
        let now = scene.time.now()
        let loser = Change(
            key: key,
            entry: StoredEntry(
                value: [1], form: .plain, mode: .native, version: Version(stamp: 1 << 16, node: 1),
                sequence: ChangeSequence(1), origin: .local, expiresAt: now, staleAt: now))
        for remaining in [Duration.seconds(5), nil] {
            let winner = Delivery.winner(loser, RemoteEntry(value: [2], remaining: remaining), at: now) {
                _, _ throws(CacheError) in
                RemoteValue(mode: .native, form: .plain, timeToLive: .seconds(60), keepsStale: .seconds(7))
            }
            #expect(winner.staleAt == now.advanced(by: remaining ?? .seconds(60)))
            #expect(winner.expiresAt == winner.staleAt.advanced(by: .seconds(7)))
        }
    }
}
