import CacheKitCore
import Testing

@testable import CacheKitSQLite

/// Which jobs share a commit. The queue blocks its thread, so each taker here has one of its own.
struct WriteQueueTests {
    private let queue = WriteQueue(maximumCount: 100, maximumBytes: 1 << 20)

    private func add(_ count: Int) {
        for _ in 0..<count { #expect(queue.add(WriteJob(perform: { _ in {} }, fail: { _ in })) == nil) }
    }

    private func taken() async -> Int? {
        await withCheckedContinuation { continuation in
            let isStarted = SystemThread.start { [queue] in continuation.resume(returning: queue.next()?.count) }
            #expect(isStarted)
        }
    }

    /// Waits as the writer does; far longer than it ever would, so that only the jobs can end it.
    private func gathered(atMost duration: Duration = .seconds(60)) async -> Int? {
        await withCheckedContinuation { continuation in
            let isStarted = SystemThread.start { [queue] in
                queue.gather(atMost: duration)
                continuation.resume(returning: queue.next()?.count)
            }
            #expect(isStarted)
        }
    }

    @Test func `callers who were told of a commit share the next one with those who came during it`() async {
        add(2)
        #expect(await taken() == 2)
        add(1)
        queue.noteCommit()
        #expect(queue.wantedCount == 3)
        async let count = gathered()
        // One by one, as they are woken.
        add(1)
        await Task.yield()
        add(1)
        #expect(await count == 3)
    }

    @Test func `the writer does not wait longer than it was told for callers who stay away`() async {
        add(3)
        #expect(await taken() == 3)
        add(1)
        queue.noteCommit()
        #expect(queue.wantedCount == 4)
        #expect(await gathered(atMost: .milliseconds(1)) == 1)
        #expect(queue.wantedCount == 1)
        // And afterwards one job wakes it again.
        async let count = taken()
        add(1)
        #expect(await count == 1)
    }

    @Test func `a lone writer is never waited for`() async {
        add(1)
        #expect(await taken() == 1)
        queue.noteCommit()
        #expect(queue.wantedCount == 1)
        async let count = gathered()
        add(1)
        #expect(await count == 1)
    }

    @Test func `closing ends the waiting`() async {
        add(2)
        #expect(await taken() == 2)
        add(1)
        queue.noteCommit()
        async let count = gathered()
        queue.close()
        #expect(await count == 1)
        #expect(await taken() == nil)
    }
}
