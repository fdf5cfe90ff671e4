import CacheKit
import CacheKitTesting
import Testing

@testable import CacheKitSync

struct WakeSignalTests {
    @Test func `a signal before the wait is not lost, and counts once`() async {
        let signal = WakeSignal()
        let clock = ManualClock()
        signal.set()
        signal.set()
        await signal.wait(atMost: .seconds(1), clock: clock)
        let second = Task { await signal.wait(atMost: .seconds(1), clock: clock) }
        #expect(await eventually { signal.waiterCount == 1 && clock.sleeperCount == 1 })
        clock.advance(by: .seconds(1))
        await second.value
        #expect(signal.waiterCount == 0)
    }

    @Test func `a signal ends a wait without time moving`() async {
        let signal = WakeSignal()
        let clock = ManualClock()
        let waiting = Task { await signal.wait(atMost: .seconds(1), clock: clock) }
        #expect(await eventually { signal.waiterCount == 1 })
        signal.set()
        await waiting.value
        #expect(await eventually { clock.sleeperCount == 0 })
    }

    @Test func `cancelling ends a wait and leaves a later signal for the next one`() async {
        let signal = WakeSignal()
        let clock = ManualClock()
        let waiting = Task { await signal.wait(atMost: .seconds(1), clock: clock) }
        #expect(await eventually { signal.waiterCount == 1 })
        waiting.cancel()
        await waiting.value
        #expect(signal.waiterCount == 0)
        signal.set()
        await signal.wait(atMost: .seconds(1), clock: clock)
    }

    @Test func `several may wait, and each is woken`() async {
        let signal = WakeSignal()
        let clock = ManualClock()
        let tasks = (0..<8).map { _ in Task { await signal.wait(atMost: .seconds(1), clock: clock) } }
        #expect(await eventually { signal.waiterCount == 8 })
        signal.set()
        for task in tasks { await task.value }
        #expect(signal.waiterCount == 0)
    }

    @Test(arguments: [UInt64(71), 72, 73])
    func `waits, signals, timeouts and cancellations in any order leave nobody behind`(seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        let signal = WakeSignal()
        let clock = ManualClock()
        for _ in 0..<300 {
            let tasks = (0..<4).map { _ in Task { await signal.wait(atMost: .milliseconds(1), clock: clock) } }
            for _ in 0..<random.next() % 4 { await Task.yield() }
            if random.next() % 2 == 0 { signal.set() }
            tasks[Int(random.next() % 4)].cancel()
            if random.next() % 2 == 0 { clock.advance(by: .milliseconds(1)) }
            for task in tasks { task.cancel() }
            for task in tasks { await task.value }
        }
        #expect(signal.waiterCount == 0)
        #expect(clock.sleeperCount == 0)
    }
}
