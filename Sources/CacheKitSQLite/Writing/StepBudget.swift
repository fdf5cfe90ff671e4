/// Ends a step of maintenance while it is short, so that callers and other processes soon get at the writer again.
///
/// What is done within a step is counted in time, not in rows: a row has 100 bytes or 64 MiB.
struct StepBudget {
    /// With the commit that follows, a step stays below 10 ms.
    static let step = Duration.milliseconds(3)

    private let now: () -> ContinuousClock.Instant
    private let end: ContinuousClock.Instant

    /// - Parameter now: The time; tests give their own.
    init(_ duration: Duration = step, now: @escaping () -> ContinuousClock.Instant = { ContinuousClock.now }) {
        self.now = now
        end = now() + duration
    }

    /// Whether the step should end.
    var isSpent: Bool { now() >= end }
}
