import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKit

/// Removals as the node sees them that makes them; the clock stands still.
struct RemovingTests {
    static let settings = [Setting.memoryOnly, .localOnly, .remoteOnly, .allTiers]

    private func world(_ setting: Setting) async throws -> (World, Namespace<Int>) {
        let world = try await World(setting)
        return (world, world.namespace("n", of: Int.self, ttl: .seconds(100)))
    }

    @Test(arguments: settings)
    func `what was set before a removal is gone, and what is set after it is there`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(["a": 1, "b": 2])
        #expect(try await numbers.removeAll() == Removal(isComplete: true))
        #expect(try await numbers.get("a") == nil)
        #expect(try await numbers.get(["a", "b"]).isEmpty)
        #expect(try await !numbers.contains("a"))
        #expect(try await numbers.contains(["a", "b"]).isEmpty)
        try await numbers.set(3, for: "a")
        #expect(try await numbers.get("a") == 3)
        #expect(try await numbers.get(["a", "b"]) == ["a": 3])
        #expect(try await numbers.contains(["a", "b"]) == ["a"])
        // From below memory, too.
        if setting.hasLocal || setting.hasRemote {
            try world.forget("n:a")
            #expect(try await numbers.get("a") == 3)
        }
        #expect(world.cache.statistics().removals == 1)
    }

    @Test(arguments: settings)
    func `a removal goes for every tier`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(["a": 1, "b": 2])
        try await numbers.removeAll()
        #expect(try await numbers.get("a") == nil)
        #expect(try world.cache.memoryEntry(for: numbers.key("a")) == nil, "it takes up no room")
        for key in ["n:a", "n:b"] { try world.forget(key) }
        #expect(try await numbers.get(["a", "b"]).isEmpty)
        #expect(try await numbers.getOrSet("a") { 9 } == 9)
        #expect(try await numbers.get("a") == 9)
    }

    @Test(arguments: settings.filter { $0.hasLocal || $0.hasRemote })
    func `what was set after a removal by who has not declared the namespace is there`(_ setting: Setting) async throws
    {
        let (world, numbers) = try await world(setting)
        try await numbers.removeAll()
        _ = await world.cache.push(deadline: .seconds(60))
        world.clock.advance(by: .milliseconds(10))
        let other = try await World(setting, beside: world)
        let key = try numbers.key("a")
        try await other.cache.values(of: Int.self).set(1, for: key)
        _ = await other.cache.push(deadline: .seconds(60))
        #expect(try await numbers.get("a") == 1)
        #expect(try await other.namespace("n", of: Int.self).get("a") == 1)
        try await numbers.removeAll()
        #expect(try await numbers.get("a") == nil)
    }

    @Test(arguments: settings)
    func `a tag takes what has it, and nothing else`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(1, for: "a", tags: ["red", "big"])
        try await numbers.set(2, for: "b", tags: ["blue"])
        try await numbers.set(3, for: "c")
        try await numbers.removeAll(tagged: "red")
        #expect(try await numbers.get(["a", "b", "c"]) == ["b": 2, "c": 3])
        #expect(try await numbers.contains(["a", "b", "c"]) == ["b", "c"])
        try await numbers.set(["a": 4, "d": 5], tags: ["red"])
        #expect(try await numbers.get(["a", "d"]) == ["a": 4, "d": 5])
        try await world.cache.removeAll(in: "n", tagged: "blue")
        #expect(try await numbers.get(["a", "b", "c", "d"]) == ["a": 4, "c": 3, "d": 5])
        try await world.cache.removeAll(in: "n")
        #expect(try await numbers.get(["a", "b", "c", "d"]).isEmpty)
    }

    @Test(arguments: settings)
    func `a load that began before a removal is not for those who come after it`(_ setting: Setting) async throws {
        let (_, numbers) = try await world(setting)
        for removal in [nil, "red"] as [String?] {
            let (begun, gate) = (Gate(), Gate())
            async let first = numbers.getOrSet("a") {
                begun.open()
                await gate.wait()
                return 1
            }
            await begun.wait()
            if let removal {
                try await numbers.removeAll(tagged: removal)
            } else {
                try await numbers.removeAll()
            }
            // It joins no load from before the removal.
            #expect(try await numbers.getOrSet("a") { 2 } == 2)
            gate.open()
            #expect(try await first == 1)
            // What ends later takes no place of what is newer.
            if removal == nil { #expect(try await numbers.get("a") == 2) }
            try await numbers.removeAll()
        }
    }

    @Test(arguments: settings)
    func `a namespace takes those that lie in it along, in whatever order they were declared`(
        _ setting: Setting
    ) async throws {
        let world = try await World(setting)
        let inner = world.namespace("n:in", of: Int.self)
        let outer = world.namespace("n", of: Int.self)
        let beside = world.namespace("no", of: Int.self)
        func fill() async throws {
            for handle in [inner, outer, beside] { try await handle.set(1, for: "a", tags: ["t"]) }
        }
        try await fill()
        try await inner.removeAll()
        #expect(try await [inner.get("a"), outer.get("a"), beside.get("a")] == [nil, 1, 1])
        try await fill()
        try await outer.removeAll()
        #expect(try await [inner.get("a"), outer.get("a"), beside.get("a")] == [nil, nil, 1])
        try await fill()
        try await outer.removeAll(tagged: "t")
        #expect(try await [inner.get("a"), outer.get("a"), beside.get("a")] == [nil, nil, 1])
        try await fill()
        #expect(try await [inner.get("a"), outer.get("a"), beside.get("a")] == [1, 1, 1])
        // A key that lies in the inner one, by way of the outer one's handle.
        #expect(try await outer.get("in:a") == 1)
        try await inner.removeAll()
        #expect(try await outer.get("in:a") == nil)
    }

    @Test(arguments: settings)
    func `handles for physical keys see removals`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        let values = world.cache.values(of: Int.self)
        let key = try CacheKey("n:a")
        try await values.set(1, for: key)
        try await numbers.removeAll()
        #expect(try await values.get(key) == nil)
        try await values.set(2, for: key)
        #expect(try await values.get(key) == 2)
        #expect(await code { try await values.removeAll() } == .invalidArgument)
        #expect(await code { try await values.removeAll(tagged: "t") } == .invalidArgument)
        #expect(await code { try await world.cache.removeAll(in: "m") } == .invalidConfiguration)
    }

    @Test func `a value without a stamp is older than every removal`() async throws {
        let world = try await World(.allTiers)
        // Written before the namespace is declared here.
        try await world.cache.values(of: Int.self).set(1, for: CacheKey("n:a"))
        let numbers = world.namespace("n", of: Int.self)
        #expect(try await numbers.get("a") == 1)
        try await numbers.removeAll(tagged: "t")
        #expect(try await numbers.get("a") == 1)
        try await numbers.removeAll()
        #expect(try await numbers.get("a") == nil)
    }

    @Test func `tags have bounds`() async throws {
        let (_, numbers) = try await world(.memoryOnly)
        let most = (0..<64).map(String.init)
        try await numbers.set(1, for: "a", tags: most)
        #expect(await code { try await numbers.set(1, for: "a", tags: most + ["x"]) } == .invalidArgument)
        try await numbers.set(1, for: "a", tags: [String(repeating: "t", count: 256)])
        for tag in ["", String(repeating: "t", count: 257)] {
            #expect(await code { try await numbers.set(1, for: "a", tags: [tag]) } == .invalidArgument)
            #expect(await code { try await numbers.removeAll(tagged: tag) } == .invalidArgument)
        }
        let month: Duration = .seconds(30 * 86_400)
        try await numbers.set(1, for: "a", ttl: month, tags: ["t"])
        #expect(
            await code { try await numbers.set(1, for: "a", ttl: month + .seconds(1), tags: ["t"]) } == .invalidArgument
        )
        #expect(await code { try await numbers.touch("a", ttl: month + .seconds(1)) } == .invalidArgument)
    }

    @Test func `memory alone forgets no removal of a tag, however many there are`() async throws {
        let (_, numbers) = try await world(.memoryOnly)
        try await numbers.set(1, for: "a", tags: ["t"])
        try await numbers.set(2, for: "b")
        try await numbers.removeAll(tagged: "t")
        for number in 0...RemovalScope.maximumTags { try await numbers.removeAll(tagged: "\(number)") }
        #expect(try await numbers.get("a") == nil)
        #expect(try await numbers.get("b") == 2)
        try await numbers.set(3, for: "a", tags: ["t"])
        #expect(try await numbers.get("a") == 3)
    }

    @Test func `removals that are made at the same time leave the latest in the file`() async throws {
        let (world, numbers) = try await world(.localOnly)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { try await numbers.removeAll() } }
            try await group.waitForAll()
        }
        let scope = try #require(world.cache.registry.removals(of: "n"))
        let row = try #require(try await world.local.read([RemovalMarker("n", .all).key])[0])
        let held = world.cache.markerStamp(
            try #require(row.value), row.form, RemovalMarker("n", .all), scope, world.clock.now())
        #expect(held == scope.stamp(of: .all))
    }

    @Test(arguments: [Setting.localOnly, .allTiers])
    func `a removal is known after the cache is opened again`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.set(1, for: "a", tags: ["t"])
        try await numbers.set(2, for: "b", tags: ["u"])
        try await numbers.removeAll(tagged: "t")
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        // The clock was put back meanwhile: what is set then is newer all the same.
        world.clock.jump(by: .seconds(-30))
        let again = try await World(setting, beside: world).namespace("n", of: Int.self, ttl: .seconds(100))
        #expect(try await again.get(["a", "b"]) == ["b": 2])
        try await again.set(3, for: "a", tags: ["t"])
        #expect(try await again.get("a") == 3)
        try await again.removeAll()
        let third = try await World(setting, beside: world).namespace("n", of: Int.self, ttl: .seconds(100))
        #expect(try await third.get(["a", "b"]).isEmpty)
    }

    @Test(arguments: [Setting.localOnly, .allTiers])
    func `markers are not listed`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        try await numbers.removeAll(tagged: "t")
        try await numbers.set(1, for: "a")
        try await numbers.removeAll(tagged: "u")
        for limit in [1, 100] {
            var keys: [String] = []
            var position = ChangeSequence.zero
            while let page = Optional(try await world.cache.localEntries(after: position, limit: limit)), !page.isEmpty
            {
                keys += page.map(\.key.string)
                position = page[page.count - 1].sequence
            }
            #expect(keys == ["n:a"])
        }
    }

    @Test func `a removal that could not be written has not happened`() async throws {
        let (world, numbers) = try await world(.remoteOnly)
        try await numbers.set(1, for: "a")
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        #expect(await code { _ = try await numbers.removeAll() } == .remoteUnavailable)
        world.remote.setOutage(nil)
        world.clock.advance(by: .seconds(5))
        #expect(try await numbers.get("a") == 1)
    }

    // MARK: Interop

    private static let interop = Setting.all.filter { $0.mode == .interop && $0.isSecure }

    @Test(arguments: interop)
    func `an interop namespace is removed key by key`(_ setting: Setting) async throws {
        let (world, numbers) = try await world(setting)
        let others = world.namespace("no", of: Int.self)
        try await numbers.set(Dictionary(uniqueKeysWithValues: (0..<40).map { ("\($0)", $0) }))
        try await others.set(1, for: "a")
        #expect(await code { try await numbers.set(1, for: "a", tags: ["t"]) } == .invalidArgument)
        #expect(await code { try await numbers.removeAll(tagged: "t") } == .invalidArgument)
        let reports = Notes<Removal>()
        let removal = try await numbers.removeAll { reports.add($0) }
        #expect(removal.isComplete)
        #expect(try await numbers.get((0..<40).map(String.init)).isEmpty)
        if setting.hasLocal || setting.hasRemote {
            #expect(removal.deleted == 40)
            #expect(reports.all.last?.deleted == 40)
            #expect(try await others.get("a") == 1)
        }
        try await numbers.set(2, for: "1")
        #expect(try await numbers.get("1") == 2)
    }

    @Test func `what is stale or was not sent yet is removed by scanning, too`() async throws {
        let world = try await World(Setting(hasLocal: true, hasRemote: true, mode: .interop))
        var policy = LoadingPolicy()
        policy.staleIfError = .seconds(1000)
        let numbers = world.cache.namespace("n", of: Int.self, ttl: .seconds(100), mode: .interop, loading: policy)
        try await numbers.set(1, for: "sent")
        _ = await world.cache.push(deadline: .seconds(60))
        world.remote.setOutage(CacheError(.remoteUnavailable, "away"))
        try await numbers.set(2, for: "unsent")
        world.clock.advance(by: .seconds(101))
        #expect(try await numbers.getOrSet("sent") { throw Refused() } == 1)
        // Beyond the stale time, too, it may be kept until it is sent.
        world.clock.advance(by: .seconds(500))
        #expect(await code { _ = try await numbers.removeAll() } == .remoteUnavailable)
        for name in ["sent", "unsent"] {
            let row = try await world.local.read([numbers.key(name)])[0]
            #expect(row?.isTombstone == true)
            await #expect(throws: Refused.self) { _ = try await numbers.getOrSet(name) { throw Refused() } }
        }
    }

    private struct Refused: Error {}

    @Test func `removing by scanning ends when its task is cancelled, and goes on when it is called again`()
        async throws
    {
        let (_, numbers) = try await world(Setting(hasLocal: true, mode: .interop))
        try await numbers.set(Dictionary(uniqueKeysWithValues: (0..<600).map { ("\($0)", $0) }))
        let first = try await Task {
            try await numbers.removeAll { _ in withUnsafeCurrentTask { $0?.cancel() } }
        }.value
        #expect(!first.isComplete)
        let deleted = try #require(first.deleted)
        #expect(deleted > 0 && deleted < 600)
        let second = try await numbers.removeAll()
        #expect(second == Removal(deleted: 600 - deleted, isComplete: true))
    }

    @Test func `what other SDKs wrote is deleted in the remote`() async throws {
        let (world, numbers) = try await world(
            Setting(hasLocal: true, hasRemote: true, isSecure: false, mode: .interop))
        for number in 0..<25 {
            world.remote.put([1], for: try CacheKey("n:\(number)"), expiresAt: nil)
        }
        try await numbers.set(1, for: "0")
        let removal = try await numbers.removeAll()
        #expect(removal == Removal(deleted: 25, isComplete: true))
        _ = await world.cache.push(deadline: .seconds(60))
        for number in 0..<25 { #expect(world.remote.value(of: try CacheKey("n:\(number)")) == nil) }
    }
}
