public import CacheKitCore

/// What comparing the rows of a file with the remote has found and done so far.
public struct Reconciliation: Sendable, Equatable {
    /// Rows looked at: also deletes, and those that are left out or left alone.
    public var examined = 0
    /// Rows compared.
    public var compared = 0
    /// Rows that stand as they were.
    public var unchanged = 0
    /// Rows in whose place a newer value was pulled.
    public var pulled = 0
    /// Rows dropped, because nothing is there any more.
    public var dropped = 0
    /// Rows kept because the remote is behind them: what it lost is sent to it again by whoever wrote it.
    public var remoteBehind = 0
    /// Rows kept because the remote may have lost what it knew of them, and has not been sent it again yet.
    public var undecided = 0
    /// Rows whose newer value at the remote does not open: they are not served, and asked for again.
    public var unopened = 0
    /// Rows left alone because their change waits for the remote: they are to be compared once it has them.
    public var pending = 0
    /// Rows left alone because their change waits for a person.
    public var setAside = 0
    /// Rows that do not authenticate; 'cachekit doctor' says more.
    public var unreadable = 0
    /// Where to go on; `nil` once all rows were compared.
    public var next: RowCursor?

    /// Nothing compared.
    public init() {}

    mutating func count(_ finding: RowFinding) {
        switch finding {
        case .stands: unchanged += 1
        case .replaced: pulled += 1
        case .gone, .deleted: dropped += 1
        case .behind: remoteBehind += 1
        case .unknown: undecided += 1
        }
    }
}

/// When a running cache compares all rows with the remote by itself, and how fast.
public struct ReconcileConfiguration: Sendable {
    /// After not having heard of changes for longer than this, all rows are compared; after less, each when it is read. Default
    /// one minute.
    public var afterAbsence: Duration = .seconds(60)
    /// All rows are compared so often at least, for changes that nobody told of. Default one hour.
    public var interval: Duration = .seconds(3600)
    /// Comparing begins after a random share of this, so that nodes do not all begin at once. Default 10 s.
    public var spread: Duration = .seconds(10)
    /// Rows compared in a second. Default 2,000; each is two commands to the remote.
    public var rowsPerSecond = 2_000

    /// The defaults.
    public init() {}

    /// What is wrong with it, all of it.
    public var problems: [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        problems.require(afterAbsence >= .zero, "afterAbsence", text: "must not be negative")
        problems.require(interval >= .seconds(1), "interval", text: "must be at least a second")
        problems.require(spread >= .zero, "spread", text: "must not be negative")
        problems.require(
            (1...10_000_000).contains(rowsPerSecond), "rowsPerSecond", text: "must be from 1 to 10,000,000")
        return problems
    }
}
