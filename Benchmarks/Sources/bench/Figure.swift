/// One row of the report: what is measured, against which floor, and the bar that it must hold.
struct Figure: Sendable {
    enum Unit: String, Sendable {
        case nanoseconds = "ns"
        /// More is better.
        case perSecond = "op/s"
        /// How many times as long much work takes as little, per operation.
        case growth = "x"
        /// Memory; a side gives its bytes as nanoseconds.
        case mebibytes = "MiB"
        case bytes = "B"
    }

    enum Bar: Sendable {
        case atMost(Double)
        case atLeast(Double)

        var limit: Double {
            switch self {
            case .atMost(let limit), .atLeast(let limit): limit
            }
        }

        func holds(_ ratio: Double) -> Bool {
            switch self {
            case .atMost(let limit): ratio <= limit
            case .atLeast(let limit): ratio >= limit
            }
        }
    }

    var name: String
    var unit = Unit.nanoseconds
    var bar: Bar?
    /// Sets up both sides; called when the figure's turn comes, so that figures do not disturb each other.
    var prepare: @Sendable () async throws -> Contest
}

/// The two sides of a figure, ready to run.
struct Contest {
    /// Does so many operations and tells how long they took.
    typealias Side = (Int) async throws -> Duration

    /// The same two on less work, for a figure that compares how both grow from there.
    struct Start {
        var ours: Side
        var floor: Side
    }

    var ours: Side
    var floor: Side
    var start: Start?
    /// Operations of one timed slice; found by trial where it is not set.
    var operationsPerSlice: Int?
    var finish: () async throws -> Void = {}

    /// A figure can't be had on this machine; the reason is printed.
    struct Unavailable: Error {
        var reason: String
    }
}

/// A side that is timed as a whole.
func timed(_ body: @escaping (Int) async throws -> Void) -> Contest.Side {
    { count in
        let clock = ContinuousClock()
        let start = clock.now
        try await body(count)
        return start.duration(to: clock.now)
    }
}

/// A floor's C call failed, which makes its time meaningless.
struct FloorFailure: Error {
    var call: String
}

@inline(__always)
func check(_ succeeded: Int32, _ call: @autoclosure () -> String) throws {
    guard succeeded == 1 else { throw FloorFailure(call: call()) }
}

/// Keeps the optimiser from dropping a computation whose result nobody uses.
@inline(never)
@_optimize(none)
func keep(_ number: Int) {}
