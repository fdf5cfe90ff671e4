import CacheKitCore
import CacheKitSync
import CacheKitTesting
import Logging
import Testing

@testable import CacheKit

/// Removals as other processes and nodes see them.
struct RemovingElsewhereTests {
    private let nodes = RemovalNodes()

    /// Which tiers two nodes have.
    enum Tiers: String, CaseIterable, Sendable {
        case sameFile, ownFiles, noFiles
    }

    private func two(_ tiers: Tiers) async throws -> (RemovalNodes.Node, RemovalNodes.Node) {
        switch tiers {
        case .sameFile:
            let file = nodes.file()
            return (
                try await nodes.node(file: file, hasRemote: false), try await nodes.node(file: file, hasRemote: false)
            )
        case .ownFiles:
            return (try await nodes.node(file: nodes.file(1)), try await nodes.node(file: nodes.file(2)))
        case .noFiles: return (try await nodes.node(file: nil), try await nodes.node(file: nil))
        }
    }

    @Test(arguments: Tiers.allCases, [nil, "t"])
    func `what one removes is gone for the other, once that has heard of it`(
        _ tiers: Tiers, _ tag: String?
    ) async throws {
        let (one, other) = try await two(tiers)
        try await one.numbers.set(1, for: "a", tags: ["t"])
        await one.push()
        #expect(try await other.numbers.get("a") == 1)
        // Its row is verified once: later it is asked for at the remote because it was removed, and only then.
        let hash = Hash128(try one.numbers.key("a"))
        one.cache.memory.shard(hash).remove(hash)
        #expect(try await one.numbers.get("a") == 1)
        if let tag { try await one.numbers.removeAll(tagged: tag) } else { try await one.numbers.removeAll() }
        await one.push()
        nodes.outdate()
        #expect(try await other.numbers.get("a") == nil)
        #expect(try await !other.numbers.contains("a"))
        #expect(try await other.numbers.getOrSet("a") { 2 } == 2)
        #expect(try await other.numbers.get("a") == 2)
        await other.push()
        nodes.outdate()
        #expect(try await one.numbers.get("a") == 2)
    }

    @Test(arguments: Tiers.allCases)
    func `a load that began before a removal elsewhere is removed with the rest`(_ tiers: Tiers) async throws {
        let (one, other) = try await two(tiers)
        let (begun, gate) = (Gate(), Gate())
        async let loaded = other.numbers.getOrSet("a") {
            begun.open()
            await gate.wait()
            return 1
        }
        await begun.wait()
        nodes.clock.advance(by: .milliseconds(10))
        try await one.numbers.removeAll()
        await one.push()
        nodes.clock.advance(by: .milliseconds(10))
        gate.open()
        #expect(try await loaded == 1)
        await other.push()
        nodes.outdate()
        #expect(try await other.numbers.get("a") == nil)
        #expect(try await one.numbers.get("a") == nil)
    }

    @Test func `a removal made offline is carried on later, to a node that was away meanwhile, too`() async throws {
        let (one, other) = try await two(.ownFiles)
        try await one.numbers.set(1, for: "a", tags: ["t"])
        await one.push()
        #expect(try await other.numbers.get("a") == 1)
        nodes.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        try await one.numbers.removeAll(tagged: "t")
        #expect(try await one.numbers.get("a") == nil)
        nodes.outdate()
        #expect(try await other.numbers.get("a") == 1)
        nodes.remote.setOutage(nil)
        await one.push()
        nodes.clock.advance(by: .seconds(6))
        #expect(try await other.numbers.get("a") == nil)
        // Known offline from then on, also after a restart.
        nodes.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        let again = try await nodes.node(file: other.local)
        #expect(try await again.numbers.get("a") == nil)
        #expect(try await again.numbers.getOrSet("a") { 7 } == 7)
    }

    @Test(arguments: Tiers.allCases)
    func `two that remove at once leave the later removal everywhere`(_ tiers: Tiers) async throws {
        let (one, other) = try await two(tiers)
        // The later removal is written, or sent, first.
        try await one.numbers.set(1, for: "a")
        let early = one.cache.stamps.nextRemoval(at: nodes.clock.now())
        nodes.clock.advance(by: .milliseconds(5))
        try await other.numbers.set(2, for: "b")
        await other.push()
        nodes.clock.advance(by: .milliseconds(5))
        try await other.numbers.removeAll()
        await other.push()
        let scope = try #require(one.cache.registry.removals(of: "n"))
        try await one.cache.write([(.all, early)], scope)
        await one.push()
        // Whoever knows the later one sees the earlier one in its place.
        for _ in 0..<3 {
            nodes.outdate()
            for node in [other, one] {
                await node.hear()
                await node.push()
            }
        }
        for node in [other, one] { #expect(try await node.numbers.get("b") == nil) }
        let latest = try #require(other.cache.registry.removals(of: "n")).stamp(of: .all)
        #expect(latest > early)
        #expect(scope.stamp(of: .all) == latest)
        let third = try await nodes.node(file: tiers == .sameFile ? one.local : nil, hasRemote: tiers != .sameFile)
        #expect(try await third.numbers.get("b") == nil)
        #expect(try #require(third.cache.registry.removals(of: "n")).stamp(of: .all) == latest)
    }

    @Test(arguments: [Tiers.ownFiles, .noFiles])
    func `a marker that the remote lost is put back by who knows it`(_ tiers: Tiers) async throws {
        let (one, other) = try await two(tiers)
        try await one.numbers.set(1, for: "a", tags: ["t"])
        try await one.numbers.removeAll(tagged: "t")
        try await one.numbers.removeAll()
        await one.push()
        nodes.outdate()
        #expect(try await other.numbers.get("a") == nil)
        let markers = try [.all, .anyTag, .tag(TagHash("t"))].map { RemovalMarker("n", $0).key }
        // Evicted: their records stay.
        for key in markers { nodes.remote.held.cells[key] = nil }
        nodes.outdate()
        // It is a reader that puts it back, not the one that removed.
        try await other.numbers.set(2, for: "b")
        #expect(try await other.numbers.get("b") == 2)
        await other.push()
        #expect(nodes.remote.value(of: markers[0]) != nil)
        #expect(nodes.remote.value(of: try one.numbers.key("a")) != nil)
        let third = try await nodes.node(file: nil)
        #expect(try await third.numbers.get(["a", "b"]) == ["b": 2])
    }

    @Test func `a marker that does not open is passed over, and put right by who knows it`() async throws {
        let (one, other) = try await two(.noFiles)
        try await one.numbers.set(1, for: "a")
        let key = RemovalMarker("n", .all).key
        nodes.remote.put(Array("nonsense".utf8), for: key, expiresAt: nil)
        #expect(try await other.numbers.get("a") == 1)
        #expect(nodes.log.texts(.warning).contains { $0.contains("does not open") })
        try await one.numbers.removeAll()
        nodes.remote.put(Array("nonsense".utf8), for: key, expiresAt: nil)
        nodes.outdate()
        #expect(try await one.numbers.get("a") == nil)
        try await one.numbers.set(2, for: "b")
        #expect(try await one.numbers.get("b") == 2)
        nodes.outdate()
        #expect(try await other.numbers.get(["a", "b"]) == ["b": 2])
    }

    @Test func `a removal by a clock that is far ahead counts from when it was heard of`() async throws {
        let ahead = ManualClock(now: nodes.clock.now().advanced(by: .seconds(86_400)))
        let wrong = try await nodes.node(file: nil, clock: ahead)
        let right = try await nodes.node(file: nil)
        try await right.numbers.set(1, for: "a")
        try await wrong.numbers.removeAll()
        nodes.outdate()
        #expect(try await right.numbers.get("a") == nil)
        for number in 2..<5 {
            try await right.numbers.set(number, for: "a")
            nodes.outdate()
            #expect(try await right.numbers.get("a") == number)
        }
        try await right.numbers.removeAll()
        #expect(try await right.numbers.get("a") == nil)
    }

    @Test(arguments: [nil, "t"])
    func `on a device whose clock has lost years a removal still takes what came before it, and only that`(
        _ tag: String?
    ) async throws {
        let file = nodes.file()
        let one = try await nodes.node(file: file, hasRemote: false)
        try await one.numbers.set(1, for: "a", tags: ["t"])
        nodes.clock.advance(by: .milliseconds(10))
        if let tag { try await one.numbers.removeAll(tagged: tag) } else { try await one.numbers.removeAll() }
        try await one.numbers.set(2, for: "b", tags: ["t"])
        let lost = ManualClock(now: nodes.clock.now().advanced(by: .seconds(-30 * 365 * 86_400)))
        let again = try await nodes.node(file: file, hasRemote: false, clock: lost)
        #expect(try await again.numbers.get(["a", "b"]) == ["b": 2])
        try await again.numbers.set(3, for: "a", tags: ["t"])
        #expect(try await again.numbers.get(["a", "b"]) == ["a": 3, "b": 2])
    }

    @Test func `who has heard of a removal by a clock that is a little ahead stamps above it`() async throws {
        let ahead = ManualClock(now: nodes.clock.now().advanced(by: .seconds(30)))
        let other = try await nodes.node(file: nil, clock: ahead)
        let here = try await nodes.node(file: nil)
        try await here.numbers.set(1, for: "a")
        try await other.numbers.removeAll()
        nodes.outdate()
        #expect(try await here.numbers.get("a") == nil)
        try await here.numbers.set(2, for: "a")
        #expect(try await here.numbers.get("a") == 2)
        try await here.numbers.removeAll()
        #expect(try await here.numbers.get("a") == nil)
    }

    @Test func `a running cache asks for markers when it is told that they changed, and not before`() async throws {
        nodes.remote.setFollowing(.active)
        let here = try await nodes.node(file: nodes.file(1))
        let other = try await nodes.node(file: nil)
        try await here.cache.running(drain: .zero) {
            try #require(await eventually { nodes.remote.tell(.keys([])) })
            try await here.numbers.set(1, for: "a", tags: ["t"])
            #expect(try await here.numbers.get("a") == 1)
            try await other.numbers.removeAll(tagged: "t")
            nodes.clock.advance(by: .milliseconds(500))
            #expect(try await here.numbers.get("a") == 1)
            let keys = [RemovalMarker("n", .anyTag).key, RemovalMarker("n", .tag(try TagHash("t"))).key]
            nodes.remote.tell(.keys(keys))
            #expect(try await here.numbers.get("a") == nil)
            try await here.numbers.set(2, for: "a", tags: ["t"])
            try await other.numbers.removeAll()
            nodes.remote.tell(.everything)
            #expect(try await here.numbers.get("a") == nil)
        }
    }

    @Test(arguments: [nil, "t"])
    func `a removal that is told is found by the reader also where the cache has asked for what it knew before`(
        _ tag: String?
    ) async throws {
        nodes.remote.setFollowing(.active)
        let here = try await nodes.node(file: nodes.file(1))
        let other = try await nodes.node(file: nil)
        try await here.cache.running(drain: .zero) {
            try #require(await eventually { nodes.remote.tell(.keys([])) })
            // Something was removed here before, of the other kind.
            if tag == nil { try await here.numbers.removeAll(tagged: "x") } else { try await here.numbers.removeAll() }
            try await here.numbers.set(1, for: "a", tags: ["t"])
            await here.push()
            #expect(try await here.numbers.get("a") == 1)
            nodes.clock.advance(by: .milliseconds(10))
            if let tag { try await other.numbers.removeAll(tagged: tag) } else { try await other.numbers.removeAll() }
            let parts: [RemovalMarker.Part] = try tag.map { [.tag(try TagHash($0)), .anyTag] } ?? [.all]
            let heard = here.cache.statistics().invalidatedKeys
            nodes.remote.tell(.keys(parts.map { RemovalMarker("n", $0).key }))
            #expect(await eventually { here.cache.statistics().invalidatedKeys > heard })
            await here.hear()
            #expect(try await here.numbers.get("a") == nil)
        }
    }

    @Test func `a removal whose reply was lost is looked for`() async throws {
        nodes.remote.setFollowing(.active)
        let here = try await nodes.node(file: nil)
        try await here.cache.running(drain: .zero) {
            try #require(await eventually { nodes.remote.tell(.keys([])) })
            try await here.numbers.set(1, for: "a")
            #expect(try await here.numbers.get("a") == 1)
            nodes.remote.setOutage(.replyLost, on: .writes)
            #expect(await code { _ = try await here.numbers.removeAll() } == .mayHaveBeenApplied)
            nodes.remote.setOutage(nil)
            #expect(try await here.numbers.get("a") == nil)
        }
    }

    @Test func `a running cache puts back what it knows though nobody reads`() async throws {
        nodes.remote.setFollowing(.active)
        let here = try await nodes.node(file: nodes.file(1))
        try await here.cache.running(drain: .zero) {
            try #require(await eventually { nodes.remote.tell(.keys([])) })
            try await here.numbers.removeAll()
            let key = RemovalMarker("n", .all).key
            try #require(await eventually { nodes.remote.value(of: key) != nil })
            nodes.remote.held.cells[key] = nil
            nodes.remote.tell(.keys([key]))
            #expect(
                await eventually {
                    nodes.clock.advance(by: .milliseconds(100))
                    return nodes.remote.value(of: key) != nil
                })
        }
    }

    @Test func `a process hears of removals by another one on its file`() async throws {
        let file = nodes.file()
        let here = try await nodes.node(file: file, hasRemote: false)
        let other = try await nodes.node(file: file, hasRemote: false)
        try await here.cache.running(drain: .zero) {
            try await here.numbers.set(1, for: "a")
            #expect(try await here.numbers.get("a") == 1)
            try await other.numbers.removeAll()
            try await file.commitAsAnotherProcess([])
            #expect(
                await eventually {
                    nodes.clock.advance(by: .milliseconds(5))
                    return (try? await here.numbers.get("a")) == .some(nil)
                })
        }
    }
}
