import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// What the machine does when buckets have lost what they had.
struct RewindTests {
    /// Changes 1 to 8, two in each of four buckets, settled; the marks of all are known.
    private func settled(_ adjust: (inout SyncConfiguration) -> Void = { _ in }) throws -> LedMachine {
        var led = LedMachine(try (1...8).map { try Sample.change($0) }, through: 8, adjust)
        led.marks = [0: 8, 1: 5, 2: 6, 3: 7]
        led.begin(through: 8, marks: led.marks)
        return led
    }

    /// Marks are compared, and the session goes on until it rests.
    private func rest(_ led: inout LedMachine) -> [String] {
        led.compare([0, 1, 2, 3].map { ($0, led.fullMarks[$0]) })
        var steps: [String] = []
        while steps.count < 100 {
            let next = led.step()
            if next == "await" { led.land() } else { steps.append(next) }
            if next == "rest" { break }
        }
        return steps
    }

    @Test func `marks as expected ask for nothing`() throws {
        var led = try settled()
        #expect(rest(&led) == ["load above 8", "rest"])
        #expect(!led.machine.needsMarks)
    }

    @Test func `a bucket without its mark gets the lowest one, everything again, and its mark`() throws {
        var led = try settled()
        led.marks[2] = nil
        #expect(
            rest(&led) == [
                "plant [2]", "reload above 0 to 8", "deliver [2, 6] again", "load above 8", "reload above 8 to 8",
                "load above 8", "settle through 8", "restore 2=8", "settle through 8", "rest",
            ])
        #expect(led.machine.outcomes.resent == 2)
        #expect(led.marks[2] == 8)
        #expect(led.machine.ledger.lost.isEmpty)
        #expect(led.settledMarks == [2: 8])
    }

    @Test func `a bucket that went back is sent what it had since`() throws {
        var led = try settled()
        led.marks[0] = 4
        led.marks[3] = 3
        let steps = rest(&led)
        #expect(steps.contains("plant []"))
        #expect(steps.contains("reload above 3 to 8"))
        #expect(steps.contains("deliver [7, 8] again"))
        #expect(steps.contains("restore 0=8 3=8"))
    }

    @Test func `the lowest mark, planted by a process that ended in the middle, says nothing about change 1`() throws {
        var led = try settled()
        led.fullMarks[1] = 1
        #expect(rest(&led).contains("deliver [1, 5] again"))
    }

    @Test func `a second loss in the middle begins anew`() throws {
        var led = try settled()
        led.marks[2] = nil
        led.compare([(2, nil)])
        #expect(led.step() == "plant [2]")
        #expect(led.step() == "reload above 0 to 8")
        #expect(led.step() == "deliver [2, 6] again")
        led.land()
        // What was just sent again is gone too.
        led.marks[2] = nil
        let steps = rest(&led)
        #expect(steps.filter { $0 == "deliver [2, 6] again" }.count == 1)
        #expect(steps.filter { $0 == "restore 2=8" }.count == 1)
        #expect(led.marks[2] == 8)
        #expect(led.machine.outcomes.resent == 4)
    }

    @Test func `a restart that is heard of in the middle begins anew, though marks went back to the same place`() throws
    {
        var led = try settled()
        led.marks[2] = 2
        led.compare([(2, MarkLedger.mark(of: 2))])
        _ = led.steps(3)
        led.land()
        led.machine.suspectLoss()
        #expect(rest(&led).contains("deliver [6] again"))
        #expect(led.marks[2] == 8)
    }

    @Test func `a loss found by a delivery is mended, and what was sent meanwhile is not`() throws {
        var led = try settled()
        led.feed.append(try Sample.change(9))
        led.marks[1] = nil
        #expect(led.steps() == ["load above 8", "deliver [9]", "load above 9", "await"])
        led.land()
        // In a bucket that lost something the mark does not move until all of it is there again.
        #expect(led.marks[1] == nil)
        #expect(led.steps(4) == ["settle through 9", "plant [1]", "reload above 0 to 9", "deliver [1, 5, 9] again"])
    }

    @Test func `sending again takes turns with what is new, though the feed never ends`() throws {
        var led = try settled { $0.batchChanges = 2 }
        led.marks = [:]
        led.compare([0, 1, 2, 3].map { ($0, nil) })
        var deliveries: [String] = []
        var next: UInt64 = 9
        while deliveries.count < 30, !led.machine.ledger.lost.isEmpty {
            led.feed.append(contentsOf: [try Sample.change(next), try Sample.change(next + 1)])
            next += 2
            let step = led.step()
            if step.hasPrefix("deliver") { deliveries.append(step) }
            if step == "await" { led.land() }
        }
        #expect(led.machine.ledger.lost.isEmpty)
        #expect(deliveries.contains { $0.hasSuffix("again") })
        #expect(deliveries.contains { !$0.hasSuffix("again") })
    }

    @Test func `what is trusted to the remote is not sent again, and the marks are taken as found`() throws {
        var led = try settled { $0.policy.lost = .trustRemote }
        led.marks[2] = 2
        led.marks[3] = nil
        #expect(rest(&led) == ["load above 8", "settle through 8", "rest"])
        #expect(led.settledMarks == [2: 2, 3: 0])
        #expect(led.machine.outcomes.resent == 0)
        // The store may still say the old ones when the next session begins.
        led.begin(through: 8, marks: [0: 8, 1: 5, 2: 2, 3: 0])
        #expect(led.machine.ledger.expected[2] == MarkLedger.mark(of: 2))
        #expect(led.machine.ledger.expected[3] == 0)
    }

    @Test func `what is trusted to the remote is not lost again in every session`() throws {
        var led = try settled { $0.policy.lost = .trustRemote }
        led.marks[3] = nil
        led.feed.append(try Sample.change(11, key: "x3"))
        _ = led.steps()
        led.land()
        // Before the lower mark is durable, the old one is still in the store.
        led.begin(through: 8, sentThrough: 11, marks: [0: 8, 1: 5, 2: 6, 3: 7])
        _ = led.steps()
        led.land { _ in .already }
        #expect(led.marks[3] == 11)
        #expect(led.machine.ledger.expected[3] == MarkLedger.mark(of: 11))
    }

    @Test func `other policies and single writers are left out, what has expired is not`() throws {
        var trusting = SyncPolicy()
        trusting.lost = .trustRemote
        var single = SyncPolicy()
        single.isSingleWriter = true
        let namespaces = ["trust": trusting, "single": single]
        var led = LedMachine(
            [
                try Sample.change(1, key: "a:1"), try Sample.change(2, key: "b:1", life: .zero),
                try Sample.change(3, key: "trust:1"), try Sample.change(4, key: "single:1"),
                try Sample.change(5, nil, key: "c:1"),
            ], through: 5
        ) { $0.namespacePolicies = namespaces }
        led.begin(through: 5, marks: [1: 5])
        #expect(rest(&led).contains("deliver [1, 2, 5] again"))
    }

    @Test func `nothing that comes of sending again changes an outcome`() throws {
        var led = try settled()
        led.marks[2] = nil
        led.compare([(2, nil)])
        _ = led.steps()
        let newer = try Sample.record([9], stamped: .seconds(-5))
        led.land { $0.string == "k2" ? .stale(newer) : .failed(Sample.rejected) }
        #expect(rest(&led).last == "rest")
        #expect(led.machine.outcomes.stale == 0)
        #expect(led.machine.outcomes.deadLettered == 0)
        #expect(led.machine.outcomes.applied == 0)
    }

    @Test func `what was lost and can't be opened here is set aside before the bucket gets its mark`() throws {
        var led = try settled()
        led.marks[2] = nil
        led.feed[1].entry.value = []
        led.feed[1].entry.withheldByteCount = 3
        led.compare([0, 1, 2, 3].map { ($0, led.fullMarks[$0]) })
        var steps: [String] = []
        var parked: [ParkedChange]?
        while steps.count < 100, steps.last != "rest" {
            let next = led.step()
            if next == "await" { led.land() } else { steps.append(next) }
            if next.hasPrefix("settle"), led.lastSettlement?.parked.isEmpty == false {
                #expect(parked == nil, "once")
                parked = led.lastSettlement?.parked
                #expect(!steps.contains { $0.hasPrefix("restore") })
            }
        }
        #expect(parked == [ParkedChange(sequence: ChangeSequence(2), key: try CacheKey("k2"), reason: .needsKey)])
        #expect(steps.contains("deliver [6] again") && steps.contains("restore 2=8"))
        #expect(led.machine.outcomes.resent == 1 && led.machine.outcomes.parked == 1)
        #expect(led.machine.outcomes.applied == 0)
    }
}
