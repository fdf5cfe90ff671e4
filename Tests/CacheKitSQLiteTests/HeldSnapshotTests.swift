import CSQLite
import CacheKit
import CacheKitCore
import Foundation
import Synchronization
import Testing

@testable import CacheKitSQLite

private final class SharedNumber: Sendable {
    let value = Atomic(0)
}

/// Reads through a snapshot that is kept between them.
@Suite struct HeldSnapshotTests {
    let fixture = try! StoreFixture()  // a test without its folder can only stop

    @Test func `a kept snapshot hides no commit, whichever connection made it`() async throws {
        let one = try await fixture.open { $0.readerCount = 1 }
        let two = try await fixture.open { $0.readerCount = 2 }
        for number in UInt8(0)..<100 {
            let (writer, reader) = number.isMultiple(of: 2) ? (one, two) : (two, one)
            try await writer.commit([fixture.put("k", [number])])
            #expect(try await writer.value("k") == [number])
            #expect(try await reader.value("k") == [number])
            #expect(try await reader.value("k") == [number])
            let last = try await writer.lastSequence()
            try await writer.settle(Settlement(through: last))
            #expect(try await writer.watermark() == last)
            #expect(try await reader.watermark() == last)
            #expect(try await reader.lastSequence() == last)
            #expect(try await reader.changes(after: .zero, origin: nil, limit: 9, byteLimit: 9).count == 1)
        }
        await one.close()
        await two.close()
    }

    @Test func `readers side by side never see a value older than the last acknowledged one`() async throws {
        let store = try await fixture.open { $0.durability = .relaxed }
        try await store.commit([fixture.put("k", [0])])
        let acknowledged = SharedNumber()
        let outdated = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var outdated = 0
                    while true {
                        let least = UInt8(acknowledged.value.load(ordering: .sequentiallyConsistent))
                        let value = try await store.value("k")?.first ?? 0
                        if value < least { outdated += 1 }
                        if least == 200 { return outdated }
                        // A read never suspends, and the pool may have no thread to spare.
                        await Task.yield()
                    }
                }
            }
            for number in UInt8(1)...200 {
                try await store.commit([fixture.put("k", [number])])
                acknowledged.value.store(Int(number), ordering: .sequentiallyConsistent)
            }
            return try await group.reduce(0, +)
        }
        #expect(outdated == 0)
        await store.close()
    }

    @Test func `a snapshot is kept after a read, and ends when its reader rests`() async throws {
        let store = try await fixture.open { $0.readerCount = 1 }
        let other = try PlainConnection(fixture.path)
        // Whoever is slow between the read and the look finds it ended already; not every time.
        var isKept = false
        for number in UInt8(0)..<100 where !isKept {
            try await store.commit([fixture.put("k", [number])])
            #expect(try await store.value("k") == [number])
            isKept = try other.checkpoint("TRUNCATE").isBusy
        }
        #expect(isKept)
        let start = ContinuousClock.now
        while try other.checkpoint("TRUNCATE").isBusy, ContinuousClock.now - start < .seconds(10) {
            try await Task.sleep(for: .milliseconds(5))
        }
        // 50 ms, and time enough for a loaded machine.
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(try await store.value("k") != nil)
        await store.close()
    }

    @Test func `readers that never rest let the log begin anew`() async throws {
        let store = try await fixture.open { $0.readerCount = 1 }
        let other = try PlainConnection(fixture.path)
        try other.execute("CREATE TABLE other (number INTEGER); INSERT INTO other VALUES (0)")
        var longest = 0
        for _ in 0..<100 {
            try other.execute("UPDATE other SET number = number + 1")
            #expect(try await store.value("k") == nil)
            longest = max(longest, try other.checkpoint("PASSIVE").frames)
            #expect(try await store.value("k") == nil)
        }
        #expect(longest < 20)
        await store.close()
    }

    @Test func `a read that fails keeps no snapshot`() async throws {
        let store = try await fixture.open { $0.readerCount = 1 }
        try await store.commit([fixture.put("a", [1]), fixture.put("b", [2])])
        let other = try PlainConnection(fixture.path)
        try other.execute("UPDATE entries SET origin = 1 WHERE change_seq = 1")
        for _ in 0..<20 {
            try other.execute("UPDATE entries SET accessed_at = accessed_at + 1")
            #expect(try await store.value("b") == [2])
            #expect(await code { _ = try await store.value("a") } == .tamperedStore)
            #expect(try !other.checkpoint("TRUNCATE").isBusy)
        }
        #expect(try await store.value("b") == [2])
        await store.close()
    }

    @Test func `reads end with the value or with shutdown while the store is closed`() async throws {
        for isOnOwnThreads in [false, true] {
            let store = try await fixture.open { $0.readsOnOwnThreads = isOnOwnThreads }
            try await store.commit([fixture.put("k", [7])])
            let codes = try await withThrowingTaskGroup(of: CacheError.Code?.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        var value: [UInt8]? = [7]
                        let code = await code {
                            while value == [7] {
                                if number == 0 { _ = try await store.statistics() }
                                value = try await store.value("k")
                                await Task.yield()
                            }
                        }
                        #expect(value == [7])
                        return code
                    }
                }
                try await Task.sleep(for: .milliseconds(20))
                await store.close()
                return try await group.reduce(into: [CacheError.Code?]()) { $0.append($1) }
            }
            #expect(codes == Array(repeating: .shutdown, count: 8))
            // Every connection is gone: the last one to close removes the log.
            #expect(!FileManager.default.fileExists(atPath: fixture.path + "-wal"))
        }
    }

    @Test func `statistics and backlog are of one moment while others write`() async throws {
        let store = try await fixture.open { $0.durability = .relaxed }
        let isDone = SharedNumber()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [fixture] in
                // Bounded, should the other side fail.
                for number in 0..<20_000 where isDone.value.load(ordering: .relaxed) == 0 {
                    try await store.commit([fixture.put("key:\(number)", [1, 2, 3])])
                    if number % 7 == 0 {
                        try await store.settle(Settlement(through: store.lastSequence()))
                    }
                }
            }
            for _ in 0..<100 {
                let statistics = try await store.statistics()
                let count = UInt64(statistics.entries)
                #expect(statistics.lastSequence.number == count || count == 0)
                #expect(UInt64(statistics.backlog.changes) == count - statistics.watermark.number)
                #expect(statistics.rowsByFingerprint.isEmpty)
            }
            isDone.value.store(1, ordering: .relaxed)
            try await group.waitForAll()
        }
        await store.close()
    }

    @Test func `the check of the pages runs with the scans, and not with the readers of callers`() async throws {
        let fixture = try StoreFixture()
        let store = try await fixture.open()
        let isVerified = Mutex(false)
        // Scans run one at a time: while this one does, the check of the pages can't have begun.
        async let hasOvertaken = store.reads.scan { _ throws(CacheError) in
            let end = ContinuousClock.now + .milliseconds(500)
            while ContinuousClock.now < end, !isVerified.withLock({ $0 }) { SystemThread.pause(milliseconds: 1) }
            return isVerified.withLock { $0 }
        }
        // One that came first would only make the scan above find nothing: begun in this order, it waits.
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await store.verify().isClean)
        isVerified.withLock { $0 = true }
        #expect(try await !hasOvertaken)
        await store.close()
    }
}
