import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// One shard is away while others answer; each of the four buckets is a shard.
struct HeldBackTests {
    private func led(_ sequences: ClosedRange<UInt64>) throws -> LedMachine {
        var led = LedMachine(try sequences.map { try Sample.change($0) })
        led.hasShards = true
        led.begin(through: 0)
        return led
    }

    @Test func `changes of a shard that is away wait, and the others go on`() throws {
        var led = try led(1...4)
        led.away = [2]
        _ = led.steps()
        led.land(fraction: 1)
        #expect(led.steps().prefix(2) == ["settle through 1", "load above 4"])
        #expect(led.machine.heldBack.changes.mapValues(\.sequence.number) == [try CacheKey("k2"): 2])
        #expect(led.machine.lastError?.code == .remoteUnavailable)
        // What comes for other shards is sent, what comes for this one waits.
        led.feed += try [5, 6, 7].map { try Sample.change($0) }
        led.begin(through: 1, sentThrough: 4)
        #expect(led.steps().prefix(2) == ["load above 4", "deliver [5, 6, 7]"])
        led.land()
        _ = led.steps()
        #expect(Set(led.machine.heldBack.changes.values.map(\.sequence.number)) == [2, 6])
        #expect(led.marks[1] == 5 && led.marks[3] == 7 && led.marks[2] == nil)
    }

    @Test func `it is tried after its own wait, with one change first, and the watermark follows`() throws {
        var led = try led(1...8)
        led.away = [2]
        _ = led.steps()
        led.land(fraction: 1)
        #expect(led.steps().last == "hold for 40")
        led.uptime = .milliseconds(39)
        led.begin(through: 1, sentThrough: 8)
        #expect(led.steps() == ["load above 8", "hold for 1"])
        led.uptime = .milliseconds(40)
        led.begin(through: 1, sentThrough: 8)
        #expect(led.steps().prefix(2) == ["read [\"k2\"]", "deliver [2]"])
        led.land(fraction: 1)
        // In vain: the next wait is longer.
        #expect(led.steps().last == "hold for 80")
        led.uptime = .milliseconds(120)
        led.away = []
        led.begin(through: 1, sentThrough: 8)
        _ = led.steps()
        led.land()
        #expect(led.steps().prefix(3) == ["settle through 5", "read [\"k6\"]", "deliver [6]"])
        led.land()
        let rest = led.steps()
        #expect(rest.first == "settle through 8")
        #expect(rest.last == "rest")
        #expect(led.machine.outcomes.applied == 8)
        #expect(led.machine.heldBack.changes.isEmpty)
        #expect(led.machine.lastError == nil)
        #expect(led.machine.activity == .idle)
    }

    @Test func `what was held back is late, and what was overwritten meanwhile is not sent`() throws {
        var led = try led(1...3)
        led.away = [1, 2]
        _ = led.steps()
        led.land(fraction: 1)
        _ = led.steps()
        led.feed.removeFirst()
        led.away = []
        led.uptime = .milliseconds(40)
        led.begin(through: 0, sentThrough: 3)
        #expect(led.steps().prefix(2) == ["read [\"k1\", \"k2\"]", "deliver [2]"])
        var delivery = try #require(led.inFlight)
        guard case .push(let pushes) = delivery.next(at: Sample.now) else {
            Issue.record("nothing is pushed")
            return
        }
        #expect(try #require(pushes.first?.writes.first).isLate)
    }

    @Test func `where nobody answers, the whole remote is away`() throws {
        var led = try led(1...4)
        led.away = [0, 1, 2, 3]
        _ = led.steps()
        led.land(fraction: 1)
        #expect(led.steps() == ["retry after 40"])
        #expect(led.machine.heldBack.changes.isEmpty)
        // One that answered before counts, also where a batch has nothing for it.
        led.away = [2]
        led.begin(through: 0, sentThrough: 4)
        _ = led.steps()
        led.land()
        _ = led.steps()
        led.feed = [try Sample.change(2), try Sample.change(10)]
        led.begin(through: 1, sentThrough: 4)
        _ = led.steps()
        led.land()
        #expect(led.machine.stop == nil)
    }

    @Test func `a failure of everything forgets what was held back, and reads it again`() throws {
        var led = try led(1...4)
        led.away = [2]
        _ = led.steps()
        led.land(fraction: 1)
        _ = led.steps()
        led.feed.append(try Sample.change(5))
        led.begin(through: 1, sentThrough: 4)
        _ = led.steps()
        led.fail(CacheError(.internalFault, "broken"))
        _ = led.steps()
        led.begin(through: 1, sentThrough: 5)
        #expect(led.steps().first == "load above 1")
    }

    @Test func `what others have lost above the watermark is sent again`() throws {
        var led = try led(1...4)
        led.away = [2]
        _ = led.steps()
        led.land(fraction: 1)
        _ = led.steps()
        // Bucket 3 has acknowledged change 3, and loses it while 2 still waits.
        led.fullMarks[3] = nil
        led.feed.append(try Sample.change(7))
        led.begin(through: 1, sentThrough: 4)
        _ = led.steps()
        led.land()
        #expect(led.steps().last == "start over")
        led.begin(through: 1, sentThrough: 7)
        let steps = led.steps()
        #expect(steps.contains("deliver [2, 3, 4, 7]"), "\(steps)")
    }

    @Test func `only so many are held back, then the feed waits`() throws {
        var heldBack = HeldBack(Backoff(first: .milliseconds(40), longest: .seconds(10)))
        for number in 0..<UInt64(HeldBack.mostChanges) {
            #expect(!heldBack.isFull)
            heldBack.hold(
                try CacheKey("k\(number)"),
                HeldBack.Place(sequence: ChangeSequence(number + 1), bucket: Int(number % 4), bytes: 10))
        }
        #expect(heldBack.isFull)
        #expect(heldBack.first == ChangeSequence(1))
        let due = heldBack.due(at: .zero, most: 500, bytes: 1_000) { $0 }
        #expect(due.map(\.string) == (0..<100).map { "k\($0)" })
        heldBack.drop(through: ChangeSequence(65_530))
        #expect(heldBack.changes.count == 6)
        #expect(heldBack.waits(0, shard: 0))
        heldBack.dropAll()
        #expect(!heldBack.waits(0, shard: 0))
    }
}
