import CacheKit
import CacheKitCore
import CacheKitTesting
import Synchronization
import Testing

@testable import CacheKitSync

/// A replay that is stopped in the middle, by whatever, and gone on with.
struct ReplayResumeTests {
    private let scene = Scene()

    private func node(_ count: Int = 100) async throws -> Node {
        let node = scene.node(1) { $0.batchChanges = 10 }
        for number in 0..<count { try await node.put("k\(number)", [UInt8(number)]) }
        await node.push()
        scene.pass(.seconds(60))
        scene.remote.held = VersionedCells()
        return node
    }

    /// Cancels itself after so many batches.
    private func stopped(
        _ node: Node, after batches: Int, _ options: ReplayOptions = .init()
    ) async throws -> ReplayReport {
        let task = Mutex<Task<ReplayReport, any Error>?>(nil)
        let told = Mutex(0)
        let isReady = Mutex(false)
        let replay = Task {
            while !isReady.withLock({ $0 }) { await Task.yield() }
            return try await node.engine.replay(ReplaySelection(), options) { _ in
                let count = told.withLock { told in
                    told += 1
                    return told
                }
                if count == batches { task.withLock { $0?.cancel() } }
            }
        }
        task.withLock { $0 = replay }
        isReady.withLock { $0 = true }
        return try await replay.value
    }

    @Test func `a cancelled replay ends after its batch, and the next call goes on and counts all`() async throws {
        let node = try await node()
        let first = try await stopped(node, after: 3)
        #expect(!first.isFinished && first.error == nil && !first.isResumed)
        #expect(first.counts[.applied] == 30 && first.position == ChangeSequence(30))
        #expect(scene.remote.held.cells.count == 30)
        #expect(try await node.engine.unfinishedReplays().map(\.id) == [first.id])
        let last = try await node.replay()
        #expect(last.isFinished && last.isResumed && last.id == first.id)
        #expect(last.counts[.applied] == 100 && last.counts.examined == 100)
        #expect(scene.remote.held.cells.count == 100)
        #expect(try await node.engine.unfinishedReplays().isEmpty)
    }

    @Test func `other filters are another replay, and beginning anew forgets the old one`() async throws {
        let node = try await node()
        let first = try await stopped(node, after: 3)
        var selection = ReplaySelection()
        selection.pattern = KeyPattern("k1*")
        let other = try await node.replay(selection)
        #expect(!other.isResumed && other.counts.examined == 100)
        #expect(try await node.engine.unfinishedReplays().map(\.id) == [first.id])
        var options = ReplayOptions()
        options.restarts = true
        let anew = try await node.replay(options: options)
        #expect(!anew.isResumed && anew.id != first.id)
        #expect(anew.counts[.already] == 30 && anew.counts[.applied] == 70 && anew.isFinished)
        #expect(try await node.engine.unfinishedReplays().isEmpty)
    }

    @Test func `a batch whose reply was lost is sent again and counted once`() async throws {
        let node = try await node()
        _ = try await stopped(node, after: 2)
        scene.remote.setOutage(CacheError(.mayHaveBeenApplied, "no reply came"), afterApplying: true)
        let failed = try await node.replay()
        scene.remote.setOutage(nil)
        #expect(scene.remote.held.cells.count == 30)
        #expect(failed.error?.code == .mayHaveBeenApplied && !failed.isFinished)
        #expect(failed.counts.examined == 20 && failed.isResumed)
        let last = try await node.replay()
        #expect(last.isFinished && last.counts.examined == 100)
        #expect(last.counts[.applied] + last.counts[.already] == 100)
    }

    @Test func `a process that dies before its batch is counted sends it again and counts it once`() async throws {
        let node = try await node()
        _ = try await stopped(node, after: 2)
        // As it stood when the third batch had been sent, and not been noted.
        let file = node.local.file
        _ = try await stopped(node, after: 1)
        let again = scene.node(1, file: file) { $0.batchChanges = 10 }
        scene.pass(.seconds(1))
        let last = try await again.replay()
        #expect(last.isFinished && last.isResumed)
        #expect(last.counts[.already] == 10 && last.counts[.applied] == 90)
    }

    @Test func `of two that go on with the same replay one gives way, and nothing is counted twice`() async throws {
        let node = try await node()
        _ = try await stopped(node, after: 2)
        let note = try #require(try await node.local.replayNotes().first)
        let result = try await node.engine.replay(ReplaySelection(), ReplayOptions()) { report in
            guard report.counts.examined == 50 else { return }
            // The other one has gone on from the same place.
            node.local.alterFile { $0.replays = [ReplayNote(id: note.id, step: 99, content: note.content)] }
        }
        #expect(result.error?.code == .leaseHeld && result.counts.examined == 50)
    }

    @Test func `what is written meanwhile is not waited for: a replay has an end`() async throws {
        let node = try await node()
        _ = try await stopped(node, after: 2)
        for number in 0..<50 { try await node.put("later\(number)", [1]) }
        try await node.put("k99", [1])
        await node.push()
        let last = try await node.replay()
        #expect(last.isFinished && last.counts.examined == 99)
    }

    @Test func `a rate is kept`() async throws {
        let node = try await node()
        let driving = Task {
            while !Task.isCancelled {
                scene.pass(.milliseconds(10))
                await Task.yield()
            }
        }
        defer { driving.cancel() }
        var options = ReplayOptions()
        options.rate = 20
        let begin = scene.time.now()
        let report = try await node.replay(options: options)
        #expect(report.counts[.applied] == 100)
        #expect(begin.duration(to: scene.time.now()) > .seconds(4))
        // The waits count: what is reported is the rate that the remote saw.
        #expect(report.elapsed > .seconds(4))
    }

    @Test func `a range that ends before it begins is refused, and so is a rate of nothing`() async throws {
        let node = try await node(1)
        var selection = ReplaySelection()
        selection.from = ChangeSequence(2)
        selection.through = ChangeSequence(1)
        var options = ReplayOptions()
        options.rate = 0
        let cases = [(selection, ReplayOptions()), (ReplaySelection(), options)]
        for (selection, options) in cases {
            await #expect { try await node.replay(selection, options: options) } throws: {
                ($0 as? CacheError)?.code == .invalidArgument
            }
        }
    }
}
