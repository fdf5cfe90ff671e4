public import CacheKitCore

/// What an examination of a file found, stage by stage.
public struct DoctorReport: Sendable {
    /// What is examined, in order; each stage needs those before it.
    public enum Stage: String, Sendable, CaseIterable {
        /// What the operating system and the header say.
        case file
        /// Who may read and write it.
        case permissions
        /// The write-ahead log beside it.
        case log
        /// The wraps of its keys, and whether the keyring opens one.
        case keys
        /// Identity, tenant, clock and watermark.
        case records
        /// Tables and indexes as its format defines them.
        case schema
        /// Pages and indexes, as SQLite checks them.
        case structure
        /// Every row, and what is kept of changes that were set aside, lost, or sent.
        case rows
    }

    /// One thing that is wrong, or worth knowing.
    public struct Finding: Sendable {
        /// Where it was found.
        public var stage: Stage
        /// What it is called; `nil` for what is no damage.
        public var code: CacheError.Code?
        /// What is wrong.
        public var problem: String
        /// What that means for what the file holds.
        public var meaning: String
        /// What to do.
        public var remedy: String
    }

    /// Rows, and what is kept beside them, counted.
    public struct Rows: Sendable {
        /// What can be read and what can't.
        public var verified = VerifyReport()
        /// Intact rows above the watermark that were written here.
        public var pending = 0
        /// Rows that failed, and by their own columns were above the watermark and written here: writes that may be lost.
        public var failedPending = 0
        /// Intact rows with a value that has not expired: what an export gives.
        public var exportable = 0
        /// Rows whose value no key of the ring opens.
        public var withoutKey = 0
        /// Dead letters.
        public var deadLetters = 0
        /// Dead letters that were altered.
        public var alteredDeadLetters = 0
        /// Changes set aside until somebody decides.
        public var parked = 0
        /// Those of them that were altered.
        public var alteredParked = 0
        /// Values that lost against the remote's.
        public var conflicts = 0
        /// Those of them that were altered.
        public var alteredConflicts = 0
        /// Records of what was sent and acknowledged that were altered.
        public var alteredSendingRecords = 0
    }

    /// Stages that were completed; the others could not be reached.
    public internal(set) var examined: [Stage] = []
    /// What was found, in the order of the stages.
    public internal(set) var findings: [Finding] = []
    /// Counts of rows, if that stage was reached.
    public internal(set) var rows: Rows?

    /// Whether nothing is damaged and every stage was reached.
    public var isClean: Bool { findings.allSatisfy { $0.code == nil } && examined.count == Stage.allCases.count }

    /// The code of the first damage.
    public var code: CacheError.Code? { findings.lazy.compactMap(\.code).first }

    mutating func add(
        _ stage: Stage, _ code: CacheError.Code?, _ problem: String, meaning: String, remedy: String
    ) {
        findings.append(Finding(stage: stage, code: code, problem: problem, meaning: meaning, remedy: remedy))
    }
}
