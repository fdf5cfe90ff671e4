import CacheKitTesting
import Foundation
import Synchronization
import Testing

@testable import CacheKit

struct SingleFlightTests {
    private struct Failure: Error, Equatable {}

    @Test(arguments: [false, true]) func `many callers share one action`(startsInPlace: Bool) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let gate = Gate()
        let runs = Counter()
        let callers = (0..<100).map { _ in
            Task {
                try await flights.run(1) {
                    runs.add()
                    await gate.wait()
                    return 42
                }
            }
        }
        #expect(await eventually { flights.waiterCount == 100 })
        gate.open()
        for caller in callers { #expect(try await caller.value == 42) }
        #expect(runs.value == 1)
        #expect(flights.count == 0)
    }

    @Test(arguments: [false, true]) func `keys do not wait for each other`(startsInPlace: Bool) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let gate = Gate()
        let slow = Task {
            try await flights.run(1) {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { flights.count == 1 })
        #expect(try await flights.run(2) { 2 } == 2)
        gate.open()
        #expect(try await slow.value == 1)
    }

    @Test(arguments: [false, true]) func `a cancelled caller leaves at once and the others get the value`(
        startsInPlace: Bool
    ) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let gate = Gate()
        let wasCancelled = Counter()
        @Sendable func call() -> Task<Int, any Error> {
            Task {
                try await flights.run(1) {
                    await gate.wait()
                    if Task.isCancelled { wasCancelled.add() }
                    return 42
                }
            }
        }
        let starter = call()
        #expect(await eventually { flights.waiterCount == 1 })
        let others = (0..<10).map { _ in call() }
        #expect(await eventually { flights.waiterCount == 11 })
        starter.cancel()
        // The gate is still closed: only the cancellation can end this.
        await #expect(throws: CancellationError.self) { try await starter.value }
        gate.open()
        for other in others { #expect(try await other.value == 42) }
        #expect(wasCancelled.value == 0)
    }

    @Test(arguments: [false, true]) func `the last one to leave cancels the action, and the key is free`(
        startsInPlace: Bool
    ) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let clock = ManualClock()
        let callers = (0..<5).map { _ in
            Task {
                try await flights.run(1) {
                    try await clock.sleep(for: .seconds(1))
                    return 1
                }
            }
        }
        try #require(await eventually { flights.waiterCount == 5 && clock.sleeperCount == 1 })
        for caller in callers { caller.cancel() }
        for caller in callers { await #expect(throws: CancellationError.self) { try await caller.value } }
        #expect(flights.count == 0)
        try #require(await eventually { clock.sleeperCount == 0 })
        #expect(try await flights.run(1) { 2 } == 2)
    }

    @Test(arguments: [false, true]) func `who comes while an abandoned action still ends starts afresh`(
        startsInPlace: Bool
    ) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let gate = Gate()
        let first = Task {
            try await flights.run(1) {
                await gate.wait()
                return 1
            }
        }
        #expect(await eventually { gate.waiterCount == 1 })
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        let second = Gate()
        let caller = Task {
            try await flights.run(1) {
                await second.wait()
                return 2
            }
        }
        #expect(await eventually { second.waiterCount == 1 })
        // The abandoned one lands now, and must not end the flight that has its key.
        gate.open()
        #expect(await eventually { gate.passed == 1 })
        #expect(flights.count == 1)
        second.open()
        #expect(try await caller.value == 2)
    }

    @Test(arguments: [false, true]) func `an error reaches everyone and the key is free`(startsInPlace: Bool)
        async throws
    {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let gate = Gate()
        let callers = (0..<20).map { _ in
            Task {
                try await flights.run(1) {
                    await gate.wait()
                    throw Failure()
                }
            }
        }
        #expect(await eventually { flights.waiterCount == 20 })
        gate.open()
        for caller in callers { await #expect(throws: Failure()) { try await caller.value } }
        #expect(try await flights.run(1) { 3 } == 3)
    }

    @Test(arguments: [false, true]) func `a caller that is cancelled already starts nothing`(startsInPlace: Bool) async
    {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let runs = Counter()
        let gate = Gate()
        let caller = Task {
            await gate.wait()
            return try await flights.run(1) {
                runs.add()
                return 1
            }
        }
        caller.cancel()
        gate.open()
        await #expect(throws: CancellationError.self) { try await caller.value }
        #expect(runs.value == 0)
    }

    @Test func `an action that starts in place needs no other thread until it waits`() async throws {
        let flights = SingleFlight<Int, Bool>(startsInPlace: true)
        let thread = pthread_self()
        #expect(try await flights.run(1) { pthread_equal(pthread_self(), thread) != 0 })
    }

    /// Every call must end (a leaked continuation would hang the test) with its value or, if it was cancelled, with
    /// `CancellationError`; one resumed twice traps.
    @Test(arguments: [UInt64(61), 62, 63, 64], [false, true])
    func `a storm of callers and cancellations leaves nothing behind`(seed: UInt64, startsInPlace: Bool) async throws {
        let flights = SingleFlight<Int, Int>(startsInPlace: startsInPlace)
        let running = Counter()
        var random = SeededRandom(seed: seed)
        for _ in 0..<60 {
            var callers: [(task: Task<Int, any Error>, key: Int, isCancelled: Bool)] = []
            for _ in 0..<50 {
                let key = Int(random.next() % 3)
                let yields = Int(random.next() % 6)
                let delay = Int(random.next() % 4)
                let fails = random.next() % 8 == 0
                let task = Task {
                    for _ in 0..<delay { await Task.yield() }
                    return try await flights.run(key) {
                        running.add()
                        for _ in 0..<yields { await Task.yield() }
                        running.add(-1)
                        if fails { throw Failure() }
                        return key
                    }
                }
                callers.append((task, key, random.next() % 2 == 0))
            }
            for caller in callers where caller.isCancelled {
                if random.next() % 2 == 0 { await Task.yield() }
                caller.task.cancel()
            }
            for caller in callers {
                switch await caller.task.result {
                case .success(let value): #expect(value == caller.key, "seed \(seed)")
                case .failure(let error):
                    #expect(error is Failure || (error is CancellationError && caller.isCancelled), "seed \(seed)")
                }
            }
        }
        #expect(flights.count == 0)
        #expect(await eventually { running.value == 0 })
    }
}
