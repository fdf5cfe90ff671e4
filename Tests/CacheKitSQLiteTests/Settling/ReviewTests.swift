import CacheKit
import CacheKitCore
import CacheKitTesting
import Foundation
import Testing

@testable import CacheKitSQLite

/// Decisions about what was set aside and what lost, in a real file.
@Suite struct ReviewTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    /// Two dead letters, two parked changes, two conflicts.
    private func scene(_ store: SQLiteStore) async throws -> [ChangeSequence] {
        let names = ["dead:1", "dead:2", "parked:1", "parked:2", "lost:1", "lost:2"]
        let sequences = try await store.commit(names.map { try fixture.put($0, [1, 2, 3], seconds: 60) })
        for index in 4...5 {
            let winner = try fixture.put(names[index], [9])
            try await store.resolve([Resolution(sequence: sequences[index], winner: winner, loss: .stale)])
        }
        try await store.settle(
            Settlement(
                through: sequences[5],
                deadLetters: (0...1).map {
                    DeadLetter(
                        sequence: sequences[$0], key: try CacheKey(names[$0]), reason: CacheError(.remoteRejected, "no")
                    )
                },
                parked: (2...3).map {
                    ParkedChange(sequence: sequences[$0], key: try CacheKey(names[$0]), reason: .tooOld)
                }))
        return sequences
    }

    @Test(arguments: [SQLiteConfiguration.Durability.full, .relaxed])
    func `what was decided is found by the next opener`(durability: SQLiteConfiguration.Durability) async throws {
        var store = try await fixture.open { $0.durability = durability }
        let sequences = try await scene(store)
        #expect(try await store.requeue(.deadLetter, [sequences[0]]) == [.done])
        #expect(try await store.requeue(.parked, [sequences[2]]) == [.done])
        #expect(try await store.drop(.deadLetter, [sequences[1]]) == [.done])
        #expect(try await store.forget(losers: [sequences[4]]) == [.done])
        let again = Reinstatement(
            loser: sequences[5], change: try fixture.put("lost:2", [1, 2, 3]), overwritesLocal: false)
        #expect(try await store.reinstate([again]) == [.done])
        await store.close()
        store = try await fixture.open { $0.durability = durability }
        let statistics = try await store.statistics()
        #expect(statistics.deadLetters == 0 && statistics.parked == 1 && statistics.conflicts == 0)
        let feed = try await store.changes(after: sequences[5], origin: .local, limit: 10, byteLimit: 1 << 20)
        #expect(feed.map(\.key.string) == ["dead:1", "parked:1", "lost:2"])
        #expect(feed.map(\.entry.isSentAtAnyAge) == [false, true, false])
        #expect(Set(feed.map(\.entry.sequence)).count == 3)
        // A plain value is sealed to its version, which is another one now.
        #expect(try await store.value("dead:2") == [1, 2, 3])
        #expect(try await store.verify().isClean)
        await store.close()
    }

    @Test func `a change that was dropped is swept and evicted like any other`() async throws {
        let store = try await fixture.open()
        let sequences = try await scene(store)
        #expect(try await store.drop(.parked, [sequences[2]]) == [.done])
        fixture.clock.advance(by: .seconds(3600))
        for _ in 0..<1000 where try await !store.maintain() { break }
        #expect(try await store.value("parked:1") == nil)
        #expect(try await store.value("parked:2") == [1, 2, 3])
        await store.close()
    }

    @Test func `a decision for which there is no room changes nothing`() async throws {
        let store = try await fixture.open { $0.sizeLimit = 4 << 20 }
        let sequences = try await scene(store)
        var number = 0
        while await code({ try await store.commit([fixture.put("key\(number)", [UInt8](repeating: 1, count: 9000))]) })
            == nil
        {
            number += 1
        }
        let large = Reinstatement(
            loser: sequences[5], change: try fixture.put("lost:2", [UInt8](repeating: 1, count: 60_000)),
            overwritesLocal: false)
        let small = Reinstatement(
            loser: sequences[4], change: try fixture.put("lost:1", [1]), overwritesLocal: false)
        #expect(await code { _ = try await store.reinstate([small, large]) } == .backPressure)
        #expect(try await store.statistics().conflicts == 2)
        #expect(try await store.value("lost:1") == [9])
        await store.close()
    }

    @Test(arguments: [
        "UPDATE dead_letters SET sealed = zeroblob(length(sealed)) WHERE change_seq = 1",
        "UPDATE entries SET expires_at = expires_at + 1 WHERE change_seq = 1",
        "UPDATE dead_letters SET sealed = (SELECT sealed FROM dead_letters WHERE change_seq = 2) WHERE change_seq = 1",
    ])
    func `what does not authenticate is counted, left alone, and in nobody's way`(sql: String) async throws {
        var store = try await fixture.open()
        let sequences = try await scene(store)
        await store.close()
        try runSQL(fixture.path, sql)
        store = try await fixture.open()
        let page = try await store.changesSetAside(.deadLetter, after: .zero, limit: 10)
        #expect(page.elements.map(\.sequence) == [sequences[1]])
        #expect(page.unreadable == 1)
        let short = try await store.changesSetAside(.deadLetter, after: .zero, limit: 1)
        #expect(short.elements.isEmpty && short.unreadable == 1 && short.next == sequences[0], "the rest is on its way")
        #expect(try await store.requeue(.deadLetter, [sequences[0], sequences[1]]) == [.unreadable, .done])
        #expect(try await store.drop(.deadLetter, [sequences[0]]) == [.unreadable])
        #expect(try await store.statistics().deadLetters == 1)
        await store.close()
    }

    @Test func `an altered loser is written again by nobody`() async throws {
        var store = try await fixture.open()
        let sequences = try await scene(store)
        await store.close()
        try runSQL(fixture.path, "UPDATE conflicts SET lost_at = lost_at + 1 WHERE change_seq = 5")
        store = try await fixture.open()
        let page = try await store.conflicts(after: .zero, limit: 10)
        #expect(page.elements.map(\.sequence) == [sequences[5]] && page.unreadable == 1)
        #expect(await code { _ = try await store.loser(sequences[4]) } == .tamperedStore)
        let again = Reinstatement(loser: sequences[4], change: try fixture.put("lost:1", [1]), overwritesLocal: false)
        #expect(try await store.reinstate([again]) == [.unreadable])
        // Nor is one under another key's name.
        let other = Reinstatement(loser: sequences[5], change: try fixture.put("lost:1", [1]), overwritesLocal: false)
        #expect(try await store.reinstate([other]) == [.unreadable])
        #expect(try await store.value("lost:1") == [9])
        await store.close()
    }

    @Test func `too many at a time are refused`() async throws {
        let store = try await fixture.open()
        let many = (1...1001).map { ChangeSequence($0) }
        #expect(await code { _ = try await store.requeue(.parked, many) } == .invalidArgument)
        #expect(await code { _ = try await store.forget(losers: many) } == .invalidArgument)
        await store.close()
    }

    @Test func `an altered note of progress keeps nobody from sending`() async throws {
        var store = try await fixture.open()
        let sequences = try await store.commit([fixture.put("a", [1]), fixture.put("b", [1])])
        try await store.settle(Settlement(through: sequences[0]))
        await store.close()
        try runSQL(fixture.path, "UPDATE meta SET content = zeroblob(40) WHERE name = 'progress'")
        store = try await fixture.open()
        #expect(try await store.sendingProgress() == SendingProgress())
        try await store.settle(Settlement(through: sequences[1]))
        #expect(try await store.sendingProgress().movedAt == fixture.clock.now())
        await store.close()
    }
}
