import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKit

/// What listeners are told.
struct ChangesTests {
    /// Takes what is kept now; nothing else comes.
    private func taken(_ changes: NamespaceChanges, _ count: Int) async -> [NamespaceChange] {
        var taken: [NamespaceChange] = []
        var iterator = changes.makeAsyncIterator()
        while taken.count < count, let change = await iterator.next() { taken.append(change) }
        return taken
    }

    @Test(arguments: RemovingTests.settings)
    func `this cache's writes are told, of the namespace that is listened to`(_ setting: Setting) async throws {
        let world = try await World(setting)
        let numbers = world.namespace("n", of: Int.self)
        let inner = world.namespace("n:in", of: Int.self)
        let others = world.namespace("no", of: Int.self)
        let (ofNumbers, ofInner, ofAll) = (
            numbers.changes(), world.cache.changes(in: "n:in"), world.cache.values(of: Int.self).changes()
        )
        try await numbers.set(1, for: "a")
        try await others.set(1, for: "a")
        try await inner.set(1, for: "b")
        try await numbers.delete("a")
        #expect(try await numbers.getOrSet("c") { 3 } == 3)
        try await numbers.removeAll(tagged: "t")
        try await inner.removeAll()
        try await numbers.removeAll()
        await world.cache.shutdown(deadline: .zero)
        #expect(
            await taken(ofNumbers, 100) == [
                // Part of it was removed, which takes the place of what was not taken yet.
                .everything, .removedAll,
            ])
        #expect(await taken(ofInner, 100) == [.set(key: "b"), .removedTagged("t"), .removedAll, .removedAll])
        #expect(await taken(ofAll, 100) == [.everything])
        // After the end, too.
        #expect(await taken(numbers.changes(), 100).isEmpty)
        #expect(world.cache.changeHub.listenerCount == 0)
    }

    @Test func `changes come in order`() async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        let changes = numbers.changes()
        try await numbers.set(1, for: "a")
        try await numbers.delete("a")
        #expect(try await numbers.getOrSet("c") { 3 } == 3)
        try await numbers.removeAll(tagged: "t")
        #expect(
            await taken(changes, 4) == [
                .set(key: "a"), .deleted(key: "a"), .set(key: "c"), .removedTagged("t"),
            ])
    }

    @Test func `a listener that is too slow is told so, and goes on`() async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        let changes = numbers.changes(bufferingAtMost: 3)
        for key in ["a", "b", "c", "d", "e"] { try await numbers.set(1, for: key) }
        #expect(await taken(changes, 2) == [.everything, .set(key: "e")])
        try await numbers.set(1, for: "f")
        #expect(await taken(changes, 1) == [.set(key: "f")])
    }

    @Test
    func `other processes and nodes are heard while the cache is run, and its own changes not again from the feed`()
        async throws
    {
        let nodes = RemovalNodes()
        nodes.remote.setFollowing(.active)
        let file = nodes.file()
        let here = try await nodes.node(file: file)
        let other = try await nodes.node(file: file, hasRemote: false)
        let changes = here.numbers.changes()
        try await here.cache.running(drain: .zero) {
            try #require(await eventually { nodes.remote.tell(.keys([])) })
            try await here.numbers.set(1, for: "own")
            try await other.numbers.set(1, for: "theirs")
            try await other.numbers.removeAll(tagged: "t")
            try await file.commitAsAnotherProcess([])
            let following = Task { await taken(changes, 3) }
            _ = await eventually {
                nodes.clock.advance(by: .milliseconds(5))
                return here.cache.lifecycle.seen.withLock { $0.number } >= 4
            }
            #expect(
                await following.value == [
                    .set(key: "own"), .changedElsewhere(key: "theirs"), .removedTagged(nil),
                ])
            nodes.remote.tell(.keys([try CacheKey("n:far"), try CacheKey("m:far"), RemovalMarker("n", .all).key]))
            nodes.remote.tell(.everything)
            #expect(await taken(changes, 1) == [.everything])
            nodes.remote.tell(.keys([try CacheKey("n:far"), RemovalMarker("n", .all).key]))
            #expect(await taken(changes, 2) == [.changedElsewhere(key: "far"), .removedAll])
        }
    }

    @Test func `a task that is cancelled, and a sequence that is let go of, listen no more`() async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        do {
            let waiting = Task { [changes = numbers.changes()] in await taken(changes, 1) }
            #expect(world.cache.changeHub.listenerCount == 1)
            waiting.cancel()
            #expect(await waiting.value.isEmpty)
        }
        #expect(await eventually { world.cache.changeHub.listenerCount == 0 })
        do {
            let changes = (0..<100).map { _ in numbers.changes() }
            #expect(world.cache.changeHub.listenerCount == changes.count)
        }
        #expect(world.cache.changeHub.listenerCount == 0)
    }

    @Test func `every listener is told, whoever takes how fast`() async throws {
        let world = try await World(.memoryOnly)
        let numbers = world.namespace("n", of: Int.self)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                let changes = numbers.changes(bufferingAtMost: 10_000)
                group.addTask { await taken(changes, 1000).count }
            }
            for number in 0..<1000 { try await numbers.set(number, for: "\(number)") }
            return try await group.reduce(0, +)
        }
        #expect(count == 8000)
    }

    @Test func `a listener that never quite catches up takes up no more room than it may`() async {
        let buffer = ChangeBuffer(capacity: 4)
        buffer.add(.set(key: "0"))
        for number in 1..<100 {
            buffer.add(.set(key: "\(number)"))
            #expect(await buffer.next() == .set(key: "\(number - 1)"))
            #expect(buffer.heldCount <= 8)
        }
    }
}
