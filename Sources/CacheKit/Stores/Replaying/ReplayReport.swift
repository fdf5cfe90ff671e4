public import CacheKitCore

/// What became of one change in a replay: each has exactly one.
public enum ReplayOutcome: String, Sendable, CaseIterable {
    /// It took effect.
    case applied
    /// The remote has it.
    case already
    /// It took the place of what it had lost against.
    case localWon = "local_won"
    /// What it had lost against took its place here.
    case remoteWon = "remote_won"
    /// This node has written the key anew since.
    case superseded
    /// The remote has a newer version, which stays.
    case newer
    /// Somebody without versions wrote the key; that stays.
    case foreign
    /// The remote's value is gone before its time, and the namespace's policy says that it stays so.
    case absent
    /// Older than tombstones are kept, and nothing tells whether the key was deleted since.
    case tooOld = "too_old"
    /// Another change has the same version: this file is a copy, or was copied.
    case clash
    /// Refused by itself.
    case failed
    /// Not sent: its life is over.
    case expired
    /// Not sent: the filters leave it out.
    case notSelected = "not_selected"
    /// Not sent: no version protects the writes of its namespace, which has one writer.
    case singleWriter = "single_writer"

    /// Whether it was not even sent.
    public var isSkipped: Bool { self == .expired || self == .notSelected || self == .singleWriter }

    /// Whether the two sides differ still and nobody has decided which is right. What is newer at the remote is.
    public var isConflict: Bool { self == .foreign || self == .absent || self == .tooOld || self == .clash }
}

/// How many changes of a replay ended how.
public struct ReplayCounts: Sendable, Equatable {
    private var counts: [ReplayOutcome: Int] = [:]

    /// None yet.
    public init() {}

    /// How many ended so.
    public subscript(outcome: ReplayOutcome) -> Int {
        get { counts[outcome] ?? 0 }
        set { counts[outcome] = newValue == 0 ? nil : newValue }
    }

    /// All that were looked at.
    public var examined: Int { counts.values.reduce(0, +) }
    /// Those that were weighed at the remote.
    public var sent: Int { counts.reduce(0) { $1.key.isSkipped ? $0 : $0 + $1.value } }
    /// Those that somebody has to decide about.
    public var conflicts: Int { counts.reduce(0) { $1.key.isConflict ? $0 + $1.value : $0 } }

    /// Counts those of another part of the same replay.
    public mutating func add(_ other: ReplayCounts) { counts.merge(other.counts, uniquingKeysWith: +) }
}

/// How far a replay got, in all its parts together.
public struct ReplayReport: Sendable {
    /// Which replay it is; 0 for a dry run.
    public var id: UInt64
    /// What it is about.
    public var selection: ReplaySelection
    /// When it began.
    public var startedAt: Timestamp
    /// Whether it went on with what an earlier call had begun.
    public var isResumed: Bool
    /// Whether everything was only weighed.
    public var isDryRun: Bool
    /// Whether all was looked at.
    public var isFinished: Bool
    /// What ended it before that; `nil` where it was cancelled.
    public var error: CacheError?
    /// What became of the changes.
    public var counts: ReplayCounts
    /// What the first change that was refused by itself was refused for.
    public var firstRefusal: String?
    /// The first change it is about.
    public var first: ChangeSequence
    /// The last change that was looked at.
    public var position: ChangeSequence
    /// The last change it is about.
    public var last: ChangeSequence
    /// How long it took, without the time between its parts.
    public var elapsed: Duration

    /// A report with all its parts.
    public init(
        id: UInt64, selection: ReplaySelection, startedAt: Timestamp, isResumed: Bool, isDryRun: Bool, isFinished: Bool,
        error: CacheError?, counts: ReplayCounts, firstRefusal: String?, first: ChangeSequence,
        position: ChangeSequence,
        last: ChangeSequence, elapsed: Duration
    ) {
        self.id = id
        self.selection = selection
        self.startedAt = startedAt
        self.isResumed = isResumed
        self.isDryRun = isDryRun
        self.isFinished = isFinished
        self.error = error
        self.counts = counts
        self.firstRefusal = firstRefusal
        self.first = first
        self.position = position
        self.last = last
        self.elapsed = elapsed
    }
}
