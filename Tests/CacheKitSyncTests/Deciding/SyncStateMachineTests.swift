import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// Loading, preparing, delivering and settling, in their order.
struct SyncStateMachineTests {
    private func feed(_ sequences: UInt64...) throws -> [Change] { try sequences.map { try Sample.change($0) } }

    @Test func `an empty feed is a rest`() {
        var led = LedMachine([], through: 7)
        #expect(led.machine.activity == .pushing)
        #expect(led.steps() == ["load above 7", "rest"])
        #expect(led.machine.activity == .idle)
    }

    @Test func `a batch is delivered, settled through its last change, and then the feed is read once more`() throws {
        var led = LedMachine(try feed(3, 5, 9))
        #expect(led.steps() == ["load above 0", "deliver [3, 5, 9]", "load above 9", "await"])
        led.land()
        #expect(led.steps() == ["settle through 9", "load above 9", "rest"])
        #expect(led.machine.outcomes.applied == 3)
    }

    @Test func `one delivery is in flight and one prepared, and no more is read`() throws {
        var led = LedMachine(try feed(1, 2, 3)) { $0.batchChanges = 1 }
        #expect(led.steps() == ["load above 0", "deliver [1]", "load above 1", "await"])
        #expect(led.step() == "await")
        led.land()
        // The prepared one goes out before the settlement of the first: the remote has no pause.
        #expect(led.steps() == ["deliver [2]", "settle through 1", "load above 2", "await"])
        led.land()
        #expect(led.steps() == ["deliver [3]", "settle through 2", "load above 3", "await"])
        led.land()
        #expect(led.steps() == ["settle through 3", "load above 3", "rest"])
        #expect(led.machine.outcomes.applied == 3)
    }

    @Test func `an outcome counts when it is durable, not before`() throws {
        var led = LedMachine(try feed(1))
        _ = led.steps()
        led.land()
        #expect(led.machine.outcomes == SyncOutcomes())
        led.settleFailure = CacheError(.diskFull, "full")
        #expect(led.steps() == ["settle through 1", "retry after 0"])
        #expect(led.machine.outcomes == SyncOutcomes())
        led.settleFailure = nil
        led.begin(through: 0, sentThrough: 1)
        _ = led.steps()
        led.land { _ in .already }
        _ = led.steps()
        #expect(led.machine.outcomes.applied == 1)
    }

    @Test func `outcomes that could not be made durable are not passed by those of the next batch`() throws {
        var led = LedMachine(try feed(1, 2)) {
            $0.batchChanges = 1
            $0.attemptsPerChange = 1
        }
        _ = led.steps()
        led.land { _ in .failed(Sample.rejected) }
        led.settleFailure = CacheError(.diskFull, "full")
        #expect(led.steps() == ["deliver [2]", "settle through 1", "await"])
        led.settleFailure = nil
        led.land()
        // Settling through 2 now would lose the dead letter of 1.
        #expect(led.steps() == ["retry after 0"])
        led.begin(through: 0, sentThrough: 2)
        _ = led.steps()
        led.land { _ in .failed(Sample.rejected) }
        _ = led.steps(2)
        #expect(led.lastSettlement?.deadLetters.map(\.sequence.number) == [1])
    }

    @Test func `nothing is settled or counted twice`() throws {
        var led = LedMachine(try feed(1, 2)) { $0.batchChanges = 1 }
        var settled: [String] = []
        while true {
            let steps = led.steps()
            settled += steps.filter { $0.hasPrefix("settle") }
            if steps.last != "await" { break }
            led.land()
        }
        #expect(settled == ["settle through 1", "settle through 2"])
        #expect(led.steps() == ["rest"])
        #expect(led.machine.outcomes.applied == 2)
    }

    @Test func `marks alone are settled when nothing else is to be done`() throws {
        var led = LedMachine(try feed(1, 2)) { $0.batchChanges = 1 }
        // What a batch moved goes with its settlement.
        _ = led.steps()
        led.land()
        _ = led.steps()
        #expect(led.lastSettlement?.marks == RemoteMarks(bucketCount: 4, sequences: [1: MarkLedger.mark(of: 1)]))
        led.land()
        _ = led.steps()
        #expect(led.lastSettlement?.marks == RemoteMarks(bucketCount: 4, sequences: [2: MarkLedger.mark(of: 2)]))
        // A failed batch moved some too; when its changes are gone from the feed, only marks are left.
        led.feed = try feed(3)
        led.begin(through: 2, marks: led.marks)
        _ = led.steps()
        led.land { _ in .failed(Sample.rejected) }
        #expect(led.steps().last?.hasPrefix("retry") == true)
        led.feed = []
        led.begin(through: 2, sentThrough: 3)
        #expect(led.steps() == ["load above 2", "settle through 2", "rest"])
        #expect(led.lastSettlement?.marks == RemoteMarks(bucketCount: 4, sequences: [3: MarkLedger.mark(of: 3)]))
    }

    @Test func `a cancelled session waits for what is in flight, settles it, and rests`() throws {
        var led = LedMachine(try feed(1, 2, 3)) { $0.batchChanges = 1 }
        _ = led.steps()
        led.machine.cancel()
        #expect(led.step() == "await")
        led.land()
        #expect(led.steps() == ["settle through 1", "rest"])
        #expect(led.machine.lastError == nil)
    }

    @Test func `a cancelled session that can't settle rests all the same`() throws {
        var led = LedMachine(try feed(1))
        _ = led.steps()
        led.machine.cancel()
        led.land()
        led.settleFailure = CacheError(.cancelled, "cancelled")
        #expect(led.steps() == ["settle through 1", "rest"])
        #expect(led.machine.lastError == nil)
    }

    @Test func `another node under this one's id ends the session with a new one`() throws {
        var led = LedMachine(try feed(1, 2))
        _ = led.steps()
        led.land { _ in .clash }
        #expect(led.steps() == ["reidentify"])
    }

    @Test func `a mark above all that was sent ends the session with a new id`() throws {
        var led = LedMachine(try feed(1, 2))
        led.marks = [1: 40]
        _ = led.steps()
        led.land()
        #expect(led.steps() == ["reidentify"])
        // Nothing of it is settled: it is sent again under the new id.
        #expect(led.lastSettlement == nil)
    }
}
