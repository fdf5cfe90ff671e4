/// Interleaved pairs of the two sides of a contest, in one process, so that what disturbs one disturbs the other too.
struct Measurement {
    /// One pair: nanoseconds per operation, or how many times as many as at the start of a growth.
    struct Pair {
        var ours: Double
        var floor: Double
    }

    struct Effort {
        var pairs: Int
        var slicesPerPair: Int
        var slice: Duration
        /// How often a bar inside the spread is measured again.
        var repetitions: Int

        static let full = Effort(pairs: 9, slicesPerPair: 10, slice: .milliseconds(5), repetitions: 3)
        static let quick = Effort(pairs: 3, slicesPerPair: 2, slice: .milliseconds(2), repetitions: 0)
    }

    private(set) var pairs: [Pair] = []
    let unit: Figure.Unit

    static func take(_ figure: Figure, _ effort: Effort) async throws -> Measurement {
        let contest = try await figure.prepare()
        var measurement = Measurement(unit: figure.unit)
        do {
            var runs: [Run] = []
            for side in [contest.ours, contest.floor, contest.start?.ours, contest.start?.floor] {
                guard let side else { continue }
                runs.append(Run(side: side, count: try await measurement.operations(side, contest, effort)))
            }
            for _ in 0...effort.repetitions {
                for _ in 0..<effort.pairs {
                    measurement.pairs.append(
                        try await pair(runs, slices: contest.operationsPerSlice == nil ? effort.slicesPerPair : 1))
                }
                // Only a bar inside the spread is in doubt.
                guard let bar = figure.bar, measurement.spread.contains(bar.limit) else { break }
            }
        } catch {
            try? await contest.finish()
            throw error
        }
        try await contest.finish()
        return measurement
    }

    /// Median of ours and of the floor, in the figure's unit.
    var ours: Double { Self.median(pairs.map { inUnit($0.ours) }) }
    var floor: Double { Self.median(pairs.map { inUnit($0.floor) }) }
    /// Median of the pairs' ratios, ours to floor in the figure's unit.
    var ratio: Double { Self.median(ratios) }
    /// Lowest and highest ratio of a pair.
    var spread: ClosedRange<Double> { (ratios.min() ?? 0)...(ratios.max() ?? 0) }

    private var ratios: [Double] { pairs.map { inUnit($0.ours) / inUnit($0.floor) } }

    private func inUnit(_ nanoseconds: Double) -> Double {
        switch unit {
        case .nanoseconds, .growth, .bytes: nanoseconds
        case .perSecond: 1e9 / nanoseconds
        case .mebibytes: nanoseconds / Double(1 << 20)
        }
    }

    /// Warms a side up and finds how many operations fill a slice.
    private func operations(_ side: Contest.Side, _ contest: Contest, _ effort: Effort) async throws -> Int {
        if let count = contest.operationsPerSlice { return count }
        var count = 1
        while true {
            // The quicker of two, so that a slow moment is not taken for many operations.
            let duration = min(try await side(count), try await side(count))
            if duration >= effort.slice { return count }
            // At most tenfold a step: the first operations are the slow ones.
            let factor = min(max(effort.slice / max(duration, .nanoseconds(1)) * 1.1, 1.5), 10)
            count = Int((Double(count) * factor).rounded(.up))
        }
    }

    /// A side and how many operations fill a slice of it.
    private struct Run {
        var side: Contest.Side
        var count: Int
    }

    /// Slices alternate, and so does who goes first. The runs: ours, the floor, and where a growth is measured both again
    /// at its start.
    private static func pair(_ runs: [Run], slices: Int) async throws -> Pair {
        var times = runs.map { _ in Duration.zero }
        for slice in 0..<slices {
            for index in slice.isMultiple(of: 2) ? Array(runs.indices) : runs.indices.reversed() {
                times[index] += try await runs[index].side(runs[index].count)
            }
        }
        let costs = zip(times, runs).map { time, run in time / .nanoseconds(1) / Double(run.count * slices) }
        guard costs.count == 4 else { return Pair(ours: costs[0], floor: costs[1]) }
        return Pair(ours: costs[0] / costs[2], floor: costs[1] / costs[3])
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
