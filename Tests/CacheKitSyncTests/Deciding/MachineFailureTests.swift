import CacheKit
import CacheKitCore
import Testing

@testable import CacheKitSync

/// What the machine does about failures of all kinds.
struct MachineFailureTests {
    private func feed(_ sequences: UInt64...) throws -> [Change] { try sequences.map { try Sample.change($0) } }

    @Test func `after a lost reply the same changes go out again and count once`() throws {
        var led = LedMachine(try feed(1, 2))
        _ = led.steps()
        led.fail(CacheError(.mayHaveBeenApplied, "lost"), fraction: 0.5)
        #expect(led.steps() == ["retry after 20"])
        #expect(led.machine.activity == .backingOff)
        led.begin(through: 0, sentThrough: 2)
        #expect(led.steps() == ["load above 0", "deliver [1, 2]", "load above 2", "await"])
        led.land { _ in .already }
        _ = led.steps()
        #expect(led.machine.outcomes.applied == 2)
        #expect(led.machine.lastError == nil)
        #expect(led.machine.consecutiveFailures == 0)
    }

    @Test func `what was not answered says nothing about what buckets lost`() throws {
        var led = LedMachine(try feed(5, 6), through: 4)
        led.begin(through: 4, marks: [1: 3, 2: 4])
        _ = led.steps()
        led.fail(Sample.away)
        #expect(led.steps() == ["retry after 0"])
        #expect(led.machine.ledger.lost.isEmpty)
    }

    @Test func `a refused change becomes a dead letter after its tries, and the others are applied`() throws {
        var led = LedMachine(try feed(1, 2, 3)) { $0.attemptsPerChange = 3 }
        let refusing = { (key: CacheKey) in key.string == "k2" ? Verdict.failed(Sample.rejected) : .applied }
        for attempt in 1...2 {
            _ = led.steps()
            led.land(refusing)
            #expect(led.steps() == ["retry after 0"], "try \(attempt)")
            #expect(led.machine.lastError?.code == .remoteRejected)
            led.begin(through: 0, sentThrough: 3)
        }
        _ = led.steps()
        led.land(refusing)
        #expect(led.steps().first == "settle through 3")
        #expect(led.lastSettlement?.deadLetters.map(\.sequence.number) == [2])
        #expect(led.lastSettlement?.deadLetters.map(\.key.string) == ["k2"])
        #expect(led.machine.outcomes.applied == 2)
        #expect(led.machine.outcomes.deadLettered == 1)
        #expect(led.machine.outcomes.superseded == 0)
    }

    @Test func `with one try a refusal is a dead letter at once`() throws {
        var led = LedMachine(try feed(1)) { $0.attemptsPerChange = 1 }
        _ = led.steps()
        led.land { _ in .failed(Sample.rejected) }
        #expect(led.steps().first == "settle through 1")
        #expect(led.lastSettlement?.deadLetters.count == 1)
    }

    @Test func `tries are counted over sessions, and afresh for a newer change of the key`() throws {
        var led = LedMachine([try Sample.change(1, key: "k")]) { $0.attemptsPerChange = 2 }
        _ = led.steps()
        led.land { _ in .failed(Sample.rejected) }
        _ = led.steps()
        led.feed = [try Sample.change(4, key: "k")]
        for expected in ["retry after 0", "settle through 4"] {
            led.begin(through: 0, sentThrough: 4)
            _ = led.steps()
            led.land { _ in .failed(Sample.rejected) }
            #expect(led.steps().first == expected)
        }
    }

    @Test func `a change that lost counts once although the rest of its batch is sent again`() throws {
        var led = LedMachine(try feed(1, 2))
        let newer = try Sample.record([9], stamped: .seconds(-1))
        _ = led.steps()
        led.land { $0.string == "k1" ? .stale(newer) : .failed(Sample.rejected) }
        #expect(led.steps() == ["retry after 0"])
        // Its row is the remote's now, and no longer in the feed.
        led.feed = try feed(2)
        led.begin(through: 0, sentThrough: 2)
        _ = led.steps()
        led.land()
        _ = led.steps()
        #expect(led.machine.outcomes.stale == 1)
        #expect(led.machine.outcomes.applied == 1)
    }

    @Test(arguments: [
        CacheError.Code.remoteUnavailable, .remoteTimeout, .remoteNotReady, .mayHaveBeenApplied, .storeBusy, .diskFull,
        .internalFault,
    ])
    func `what may pass by itself is tried for ever`(code: CacheError.Code) throws {
        var led = LedMachine(try feed(1)) { $0.attemptsPerChange = 1 }
        for attempt in 1...500 {
            led.begin(through: 0, sentThrough: 1)
            _ = led.steps()
            led.fail(CacheError(code, "x"), fraction: 1)
            guard case .retry(let pause) = led.machine.next(now: Sample.now) else {
                Issue.record("gave up at try \(attempt)")
                return
            }
            #expect(pause <= .seconds(10))
            #expect(led.machine.consecutiveFailures == attempt)
        }
        #expect(led.machine.activity == .backingOff)
        #expect(led.machine.outcomes == SyncOutcomes())
    }

    @Test func `a transient refusal of one write holds the whole batch back`() throws {
        var led = LedMachine(try feed(1, 2)) { $0.attemptsPerChange = 1 }
        _ = led.steps()
        led.land { $0.string == "k2" ? .failed(CacheError(.remoteNotReady, "loading")) : .applied }
        #expect(led.steps() == ["retry after 0"])
        led.begin(through: 0, sentThrough: 2)
        #expect(led.steps().contains("deliver [1, 2]"))
    }

    @Test(arguments: [CacheError.Code.remoteAuthentication, .invalidConfiguration])
    func `what only an operator can mend pauses for the longest wait`(code: CacheError.Code) throws {
        var led = LedMachine(try feed(1)) { $0.longestBackoff = .seconds(7) }
        _ = led.steps()
        led.fail(CacheError(code, "x"))
        #expect(led.steps() == ["retry after 7000"])
        #expect(led.machine.activity == .paused)
        #expect(led.machine.lastError?.code == code)
    }

    @Test func `after a failure nothing more is sent, though it was prepared`() throws {
        var led = LedMachine(try feed(1, 2, 3)) { $0.batchChanges = 1 }
        _ = led.steps()
        led.fail(Sample.away)
        #expect(led.steps() == ["retry after 0"])
        led.begin(through: 0, sentThrough: 2)
        #expect(led.steps().prefix(2) == ["load above 0", "deliver [1]"])
    }

    @Test func `a failure is over when nothing is pending any more`() throws {
        var led = LedMachine(try feed(1))
        for _ in 0..<2 {
            led.begin(through: 0)
            _ = led.steps()
            led.fail(Sample.away, fraction: 1)
            _ = led.steps()
        }
        #expect(led.machine.consecutiveFailures == 2)
        // Another process has pushed it meanwhile.
        led.feed = []
        led.begin(through: 1)
        #expect(led.steps() == ["load above 1", "rest"])
        #expect(led.machine.lastError == nil)
        led.feed = try feed(2)
        led.begin(through: 1)
        _ = led.steps()
        led.fail(Sample.away, fraction: 1)
        #expect(led.steps() == ["retry after 40"])
    }

    @Test func `changes from before an outage are late after it, and those from before a refusal are not`() throws {
        func isLate(after error: CacheError) throws -> Bool {
            var led = LedMachine(try feed(1))
            _ = led.steps()
            led.fail(error)
            _ = led.steps()
            led.begin(through: 0, sentThrough: 1)
            led.machine.connected(at: Sample.now.advanced(by: .milliseconds(1)))
            _ = led.steps()
            var delivery = try #require(led.inFlight)
            guard case .push(let pushes) = delivery.next(at: Sample.now.advanced(by: .milliseconds(2))) else {
                return false
            }
            return try #require(pushes.first?.writes.first).isLate
        }
        #expect(try isLate(after: Sample.away))
        #expect(try !isLate(after: Sample.rejected))
    }
}
