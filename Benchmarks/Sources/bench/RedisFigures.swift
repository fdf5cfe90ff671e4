import Floors
import Foundation

let redisFigures = RedisSides.Transport.allCases.flatMap { figures(over: $0) }

private func figures(over transport: RedisSides.Transport) -> [Figure] {
    func figure(
        _ name: String, _ unit: Figure.Unit, _ bar: Figure.Bar?,
        _ make: @escaping @Sendable (RedisSides) throws -> Contest
    ) -> Figure {
        Figure(name: "Redis over \(transport.rawValue), \(name)", unit: unit, bar: bar) {
            let sides = try await RedisSides(transport)
            var contest = try make(sides)
            contest.finish = { await sides.finish() }
            return contest
        }
    }
    return [
        figure("one get at a time, against a hiredis round trip", .nanoseconds, .atMost(1.3)) { sides in
            Contest(
                ours: medianTimed { number in try await sides.read(number) },
                floor: medianTimed { _ in try sides.floorRead(1, pipeline: 1) })
        },
        figure("64 tasks with a get each, against one at a time", .perSecond, .atLeast(5)) { sides in
            Contest(ours: timed(sides.readConcurrently), floor: timed(sides.readInTurn))
        },
        figure("64 tasks with a get each, against redis-benchmark -P 16", .perSecond, .atLeast(0.6)) { sides in
            let generator = try RedisBenchmark(sides.server, transport)
            return Contest(
                ours: timed(sides.readConcurrently), floor: generator.side(), operationsPerSlice: 100_000)
        },
        figure("1,000 keys in one call, against a hiredis pipeline", .perSecond, .atLeast(0.8)) { sides in
            Contest(ours: timed(sides.readMany), floor: timed { try sides.floorRead($0, pipeline: 1000) })
        },
        figure("CPU time of 1,000 keys in one call, against a hiredis pipeline", .nanoseconds, .atMost(1.5)) { sides in
            Contest(ours: cpuTimed(sides.readMany), floor: cpuTimed { try sides.floorRead($0, pipeline: 1000) })
        },
        figure("CPU time of 64 tasks with a get each, against a hiredis pipeline", .nanoseconds, .atMost(4)) {
            sides in
            Contest(
                ours: cpuTimed { try await sides.readConcurrently($0 * 1000) },
                floor: cpuTimed { try sides.floorRead($0, pipeline: 1000) })
        },
    ]
}

/// A side of which each operation is timed; the slice counts as so many times the median.
func medianTimed(_ body: @escaping (Int) async throws -> Void) -> Contest.Side {
    { count in
        let clock = ContinuousClock()
        var times: [Duration] = []
        times.reserveCapacity(count)
        var last = clock.now
        for number in 0..<count {
            try await body(number)
            let now = clock.now
            times.append(last.duration(to: now))
            last = now
        }
        times.sort()
        return times[count / 2] * count
    }
}

/// A side whose processor time is taken.
private func cpuTimed(_ body: @escaping (Int) async throws -> Void) -> Contest.Side {
    { count in try await processorTime { try await body(count) } }
}
