import CacheKit
import CacheKitCore
import CacheKitTesting
import Testing

@testable import CacheKitSync

struct PressureGateTests {
    private let clock = ManualClock()
    private let local: SimulatedLocalStore

    init() { local = SimulatedLocalStore(clock: clock) }

    private func gate(
        changes: Int? = nil, bytes: Int? = nil, _ response: BackPressure.Response = .reject
    ) -> PressureGate {
        var bounds = BackPressure()
        bounds.changes = changes
        bounds.bytes = bytes
        bounds.response = response
        return PressureGate(bounds, local, CorrectedClock(clock))
    }

    private func commit(_ count: Int, bytes: Int = 1) async throws {
        let end = clock.now().advanced(by: .seconds(60))
        for number in 0..<count {
            try await local.commit([
                LocalChange(
                    key: try CacheKey("k\(number)"), value: [UInt8](repeating: 0, count: bytes), form: .plain,
                    mode: .native, expiresAt: end)
            ])
        }
    }

    private func settleAll() async throws {
        try await local.settle(Settlement(through: local.lastSequence()))
    }

    /// Commits one at a time until it is refused; how many were let in.
    private func fill(_ gate: PressureGate, bytes: Int = 1, atMost limit: Int = 1_000) async throws -> Int {
        for count in 0..<limit {
            guard (try? await gate.admit(changes: 1, bytes: bytes)) == .commit else { return count }
            let end = clock.now().advanced(by: .seconds(60))
            try await local.commit([
                LocalChange(
                    key: try CacheKey("f\(count)"), value: [UInt8](repeating: 0, count: bytes), form: .plain,
                    mode: .native, expiresAt: end)
            ])
        }
        return limit
    }

    @Test func `without bounds nothing is asked of the store`() async throws {
        local.setOutage(.busy, on: [.reads, .feed])
        #expect(try await gate().admit(changes: 1_000_000, bytes: .max) == .commit)
    }

    @Test func `changes are let in up to exactly the bound`() async throws {
        #expect(try await fill(gate(changes: 100)) == 100)
    }

    @Test func `bytes are let in up to exactly the bound`() async throws {
        #expect(try await fill(gate(bytes: 100), bytes: 10) == 10)
    }

    @Test func `at the bound a write is refused, and let in again when there is room`() async throws {
        let gate = gate(changes: 2)
        try await commit(2)
        await #expect(throws: CacheError.self) { try await gate.admit(changes: 1, bytes: 1) }
        try await settleAll()
        #expect(try await gate.admit(changes: 1, bytes: 1) == .commit)
    }

    @Test func `a write larger than the bound is let in when nothing else is pending`() async throws {
        let gate = gate(bytes: 10)
        #expect(try await gate.admit(changes: 1, bytes: 50) == .commit)
        try await commit(1, bytes: 50)
        await #expect(throws: CacheError.self) { try await gate.admit(changes: 1, bytes: 50) }
    }

    @Test func `writers that ask at the same moment are not all let in by the same answer`() async throws {
        // Of the store's answers none is newer than the first admission: nothing is committed in between.
        let slow = SlowBacklog(local)
        var bounds = BackPressure()
        bounds.changes = 3
        bounds.response = .reject
        let gate = PressureGate(bounds, slow, CorrectedClock(clock))
        let admitted = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask { (try? await gate.admit(changes: 1, bytes: 1)) == .commit }
            }
            _ = await eventually { slow.asking == 20 }
            slow.answer()
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(admitted == 3)
    }

    @Test func `a blocked write waits for room`() async throws {
        let gate = gate(changes: 1, .block(timeout: .seconds(5)))
        try await commit(1)
        let write = Task { try await gate.admit(changes: 1, bytes: 1) }
        #expect(await eventually { clock.sleeperCount == 1 })
        try await settleAll()
        gate.settled(through: ChangeSequence(1))
        #expect(try await write.value == .commit)
    }

    @Test func `a blocked write is refused after its timeout`() async throws {
        let gate = gate(changes: 1, .block(timeout: .seconds(5)))
        try await commit(1)
        let write = Task { try await gate.admit(changes: 1, bytes: 1) }
        for _ in 0..<50 {
            #expect(await eventually { clock.sleeperCount == 1 })
            clock.advance(by: .milliseconds(100))
        }
        let error = await #expect(throws: CacheError.self) { try await write.value }
        #expect(error?.code == .backPressure)
        #expect(clock.sleeperCount == 0)
    }

    @Test func `a cancelled caller is told that it was cancelled, whatever it waited for`() async throws {
        let gate = gate(changes: 1, .block(timeout: .seconds(5)))
        try await commit(1)
        let blocked = Task { try await gate.admit(changes: 1, bytes: 1) }
        let waiting = Task {
            try await gate.awaitApplied([try CacheKey("k1x"): ChangeSequence(1)], atMost: .seconds(5))
        }
        #expect(await eventually { clock.sleeperCount == 2 })
        blocked.cancel()
        waiting.cancel()
        #expect(await #expect(throws: CacheError.self) { try await blocked.value }?.code == .cancelled)
        #expect(await #expect(throws: CacheError.self) { try await waiting.value }?.code == .cancelled)
        #expect(try await local.backlog().changes == 1)
    }

    @Test func `room that another process made is found without being told`() async throws {
        let gate = gate(changes: 1, .block(timeout: .seconds(5)))
        try await commit(1)
        let write = Task { try await gate.admit(changes: 1, bytes: 1) }
        #expect(await eventually { clock.sleeperCount == 1 })
        try await settleAll()
        clock.advance(by: .milliseconds(100))
        #expect(try await write.value == .commit)
    }

    @Test func `write-through is told where the bound is reached, and only there`() async throws {
        let gate = gate(changes: 1, .writeThrough(timeout: .seconds(3)))
        #expect(try await gate.admit(changes: 1, bytes: 1) == .commit)
        try await commit(1)
        #expect(try await gate.admit(changes: 1, bytes: 1) == .writeThrough(timeout: .seconds(3)))
    }

    @Test func `a change is waited for until it is settled, here or elsewhere`() async throws {
        let gate = gate(changes: 1)
        try await commit(2)
        let first = Task { try await gate.awaitApplied([try CacheKey("k1x"): ChangeSequence(1)], atMost: .seconds(3)) }
        #expect(await eventually { clock.sleeperCount == 1 })
        gate.settled(through: ChangeSequence(1))
        try await first.value
        let second = Task { try await gate.awaitApplied([try CacheKey("k2x"): ChangeSequence(2)], atMost: .seconds(3)) }
        #expect(await eventually { clock.sleeperCount == 1 })
        try await settleAll()
        clock.advance(by: .milliseconds(100))
        try await second.value
    }

    @Test func `a change that does not settle in time is refused and stays pending`() async throws {
        let gate = gate(changes: 1)
        try await commit(1)
        let wait = Task {
            try await gate.awaitApplied([try CacheKey("k1x"): ChangeSequence(1)], atMost: .milliseconds(200))
        }
        for _ in 0..<2 {
            #expect(await eventually { clock.sleeperCount == 1 })
            clock.advance(by: .milliseconds(100))
        }
        let error = await #expect(throws: CacheError.self) { try await wait.value }
        #expect(error?.code == .backPressure)
        #expect(try await local.backlog().changes == 1)
    }
}
