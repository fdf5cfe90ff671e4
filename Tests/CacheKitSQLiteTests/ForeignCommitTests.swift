import CacheKit
import CacheKitCore
import CacheKitSQLite
import Testing

/// How a store hears of what other processes commit.
@Suite struct ForeignCommitTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `another's commit between two of this store's own is told of, and told of once`() async throws {
        let one = try await fixture.open()
        let two = try await fixture.open()
        for number in UInt8(0)..<30 {
            try await one.commit([fixture.put("own", [number])])
            if number % 3 != 0 { try await two.commit([fixture.put("theirs", [number])]) }
            if number % 2 == 0 { try await one.commit([fixture.put("own", [number, 1])]) }
            #expect(try await one.hasForeignCommits() == (number % 3 != 0), "round \(number)")
            try await one.commit([fixture.put("own", [number, 2])])
            #expect(try await one.hasForeignCommits() == false, "round \(number)")
        }
        await one.close()
        await two.close()
    }

    @Test func `no foreign commit is missed while both sides write at once`() async throws {
        let one = try await fixture.open { $0.durability = .relaxed }
        let two = try await fixture.open { $0.durability = .relaxed }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (store, name) in [(one, "own"), (two, "theirs")] {
                group.addTask { [fixture] in
                    for number in UInt8(0)..<200 { try await store.commit([fixture.put(name, [number])]) }
                }
            }
            group.addTask {
                // What a cache does: the feed is read only when the store says that there is something in it.
                var seen = ChangeSequence.zero
                var last: [UInt8]?
                let start = ContinuousClock.now
                while last != [199], ContinuousClock.now - start < .seconds(60) {
                    guard try await one.hasForeignCommits() else {
                        await Task.yield()
                        continue
                    }
                    for change in try await one.changes(after: seen, origin: nil, limit: 9, byteLimit: 1 << 20) {
                        seen = change.entry.sequence
                        if change.key.string == "theirs" { last = change.entry.value }
                    }
                }
                #expect(last == [199])
            }
            try await group.waitForAll()
        }
        await one.close()
        await two.close()
    }

    @Test func `hearing of commits waits for no writer`() async throws {
        let store = try await fixture.open { $0.busyTimeout = .seconds(20) }
        let two = try await fixture.open()
        try await two.commit([fixture.put("k", [1])])
        let other = try PlainConnection(fixture.path)
        try other.execute("BEGIN IMMEDIATE")
        async let blocked = store.commit([fixture.put("k", [2])])
        try await Task.sleep(for: .milliseconds(50))
        let start = ContinuousClock.now
        #expect(try await store.hasForeignCommits() == true)
        #expect(try await store.hasForeignCommits() == false)
        #expect(try await store.value("k") == [1])
        #expect(ContinuousClock.now - start < .seconds(5))
        try other.execute("ROLLBACK")
        #expect(try await blocked.map(\.number) == [2])
        #expect(try await store.hasForeignCommits() == false)
        await store.close()
        await two.close()
    }

    @Test func `a commit that failed is nobody's, and hides nobody's`() async throws {
        let one = try await fixture.open { $0.busyTimeout = .milliseconds(10) }
        let two = try await fixture.open()
        let other = try PlainConnection(fixture.path)
        try other.execute("BEGIN IMMEDIATE")
        #expect(await code { try await one.commit([fixture.put("k", [1])]) } == .storeBusy)
        try other.execute("ROLLBACK")
        #expect(try await one.hasForeignCommits() == false)
        #expect(try await two.commit([fixture.put("k", [2])]).map(\.number) == [1])
        #expect(try await one.hasForeignCommits() == true)
        await one.close()
        await two.close()
    }
}
