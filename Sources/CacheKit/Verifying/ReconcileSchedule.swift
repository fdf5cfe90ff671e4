/// Decides when all rows are compared with the remote: after a long absence, after more was told than could be
/// remembered, and now and then.
struct ReconcileSchedule: Sendable {
    private let configuration: ReconcileConfiguration
    private var heardAt: Duration?
    private var gaps = 0
    private var overflows = 0
    private var plannedAt: Duration?
    /// Whether what is planned is due to a reason, and not only to time.
    private var hasReason = false

    init(_ configuration: ReconcileConfiguration) {
        self.configuration = configuration
    }

    /// Looks at the state of things; `true` when comparing is to begin.
    ///
    /// - Parameters:
    ///   - isHearing: Whether changes are heard of now.
    ///   - gaps: How often they were not, so far.
    ///   - overflows: How often more was told than could be remembered, so far.
    ///   - fraction: A random share, 0 to 1, of the spread.
    mutating func isDue(
        isHearing: Bool, gaps: Int, overflows: Int, uptime: Duration, fraction: Double
    ) -> Bool {
        let absence = heardAt.map { uptime - $0 }
        let wasAway = gaps > self.gaps && absence.map { $0 > configuration.afterAbsence } ?? true
        let hasOverflown = overflows > self.overflows
        self.gaps = gaps
        self.overflows = overflows
        if isHearing { heardAt = uptime }
        if wasAway || hasOverflown, !hasReason {
            hasReason = true
            plannedAt = uptime + configuration.spread * fraction
        }
        guard let plannedAt else {
            plannedAt = uptime + configuration.interval
            return false
        }
        return uptime >= plannedAt
    }

    /// Rows were compared: all of them, or all but those whose change waited for the remote.
    mutating func done(uptime: Duration, isComplete: Bool) {
        hasReason = false
        plannedAt = uptime + (isComplete ? configuration.interval : min(configuration.interval, .seconds(60)))
    }
}
