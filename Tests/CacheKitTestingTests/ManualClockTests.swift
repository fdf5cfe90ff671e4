import CacheKit
import CacheKitTesting
import Testing

@Suite(.timeLimit(.minutes(1))) struct ManualClockTests {
    @Test func `whoever sleeps is woken when time has come, and not before`() async throws {
        let clock = ManualClock()
        let sleeper = Task { try await clock.sleep(for: .seconds(5)) }
        try await clock.waitForSleepers(1)
        clock.advance(by: .seconds(4))
        #expect(clock.sleeperCount == 1)
        clock.jump(by: .seconds(100))
        #expect(clock.sleeperCount == 1)
        clock.advance(by: .seconds(1))
        try await sleeper.value
        #expect(clock.sleeperCount == 0 && clock.uptime() == .seconds(5))
    }

    @Test func `waiting for sleepers ends with the last of them, or with the task`() async throws {
        let clock = ManualClock()
        try await clock.waitForSleepers(0)
        let waiting = Task { try await clock.waitForSleepers(3) }
        let sleepers = (0..<3).map { _ in Task { try await clock.sleep(for: .seconds(1)) } }
        try await waiting.value
        let vain = Task { try await clock.waitForSleepers(4) }
        vain.cancel()
        await #expect(throws: CancellationError.self) { try await vain.value }
        for sleeper in sleepers { sleeper.cancel() }
        for sleeper in sleepers { await #expect(throws: CancellationError.self) { try await sleeper.value } }
    }
}
