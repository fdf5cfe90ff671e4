public import CacheKitCore

/// The part of a local store that a person needs who decides about changes which did not simply reach the remote.
///
/// Every decision is one transaction for all changes named, durable when it returns: a crash finds each change either where
/// it was, or where it was to go. A call that throws has changed nothing.
public protocol ChangeReviewing: Sendable {
    /// Changes that were set aside, above `after`, in order, at most `limit` (1,000 of them at the most).
    func changesSetAside(
        _ kind: SetAsideChange.Kind, after: ChangeSequence, limit: Int
    ) async throws(CacheError) -> ReviewPage<SetAsideChange>

    /// Makes changes that were set aside pending again: each that still stands gets a new sequence, so that the feed has
    /// it, and keeps its version, so that it loses against what is newer.
    ///
    /// One that was too old is then sent however old it is (``StoredEntry/isSentAtAnyAge``). One that does not stand any more
    /// is ``ReviewOutcome/superseded`` and forgotten.
    func requeue(_ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome]

    /// Gives changes up for good. The row stays readable, and from then on counts as one from the remote without a version:
    /// it is never sent, it may be evicted, and what the remote holds replaces it.
    func drop(_ kind: SetAsideChange.Kind, _ changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome]

    /// Conflicts whose loser has a sequence above `after`, in that order, at most `limit` (1,000 of them at the most).
    func conflicts(after: ChangeSequence, limit: Int) async throws(CacheError) -> ReviewPage<KeptConflict>

    /// A change that lost, with its value if that was kept; `nil` if there is no such conflict.
    func loser(_ change: ChangeSequence) async throws(CacheError) -> Change?

    /// Forgets losers for good; what won stands as it does.
    func forget(losers changes: [ChangeSequence]) async throws(CacheError) -> [ReviewOutcome]

    /// Commits losers anew, each as a change like any other, and forgets the conflict in the same transaction.
    func reinstate(_ losers: [Reinstatement]) async throws(CacheError) -> [ReviewOutcome]

    /// When the watermark last moved, and what kept it from moving.
    func sendingProgress() async throws(CacheError) -> SendingProgress

    /// Keeps what keeps changes from being sent, for whoever asks later; the last one only.
    func note(sendingFailure error: CacheError) async throws(CacheError)
}

/// Some of a list, and where the rest begins.
public struct ReviewPage<Element: Sendable>: Sendable {
    /// In order.
    public var elements: [Element]
    /// Where the next page goes on; `nil` at the end.
    public var next: ChangeSequence?
    /// Records on this page that do not authenticate.
    public var unreadable: Int

    /// Some of a list.
    public init(elements: [Element], next: ChangeSequence?, unreadable: Int = 0) {
        self.elements = elements
        self.next = next
        self.unreadable = unreadable
    }
}

/// What became of a decision about one change.
public enum ReviewOutcome: Sendable, Equatable {
    /// As was decided.
    case done
    /// Something newer was written here since. Where a change was to be sent again, it is forgotten; a loser is kept.
    case superseded
    /// There is no such record.
    case missing
    /// Its value was too large to be kept, so that it can't be written again.
    case valueNotKept
    /// Its record or its row does not authenticate.
    case unreadable
}

/// A change that was set aside, as a person sees it.
public struct SetAsideChange: Sendable {
    /// The two lists.
    public enum Kind: String, Sendable, CaseIterable {
        /// The remote kept refusing it.
        case deadLetter
        /// Somebody has to decide.
        case parked
    }

    /// Why it was set aside.
    public enum Reason: Sendable, Equatable {
        /// The remote refused it: the code and message of the last refusal.
        case refused(code: String, message: String)
        /// It was parked.
        case parked(ParkedChange.Reason)

        /// One word: the code of the refusal, or why it was parked.
        public var name: String {
            switch self {
            case .refused(let code, _): code
            case .parked(let reason): "\(reason)"
            }
        }
    }

    /// Its number, which is the change's.
    public var sequence: ChangeSequence
    /// Its key.
    public var key: CacheKey
    /// Why.
    public var reason: Reason
    /// When.
    public var setAsideAt: Timestamp
    /// The row, while it still stands under this change; `nil` once something newer was written.
    public var row: ReviewedRow?

    /// A change that was set aside.
    public init(
        sequence: ChangeSequence, key: CacheKey, reason: Reason, setAsideAt: Timestamp, row: ReviewedRow?
    ) {
        self.sequence = sequence
        self.key = key
        self.reason = reason
        self.setAsideAt = setAsideAt
        self.row = row
    }
}

/// What a row is, without its value.
public struct ReviewedRow: Sendable, Equatable {
    /// The change it stands under.
    public var sequence: ChangeSequence
    /// Says which of two writes is newer.
    public var version: Version
    /// Written here or read from the remote.
    public var origin: EntryOrigin
    /// Whether it is a delete.
    public var isTombstone: Bool
    /// Bytes of its value as stored.
    public var byteCount: Int
    /// When its life ends.
    public var expiresAt: Timestamp

    /// What a row is.
    public init(
        sequence: ChangeSequence, version: Version, origin: EntryOrigin, isTombstone: Bool, byteCount: Int,
        expiresAt: Timestamp
    ) {
        self.sequence = sequence
        self.version = version
        self.origin = origin
        self.isTombstone = isTombstone
        self.byteCount = byteCount
        self.expiresAt = expiresAt
    }
}

/// A change that lost, and what stands in its place.
public struct KeptConflict: Sendable {
    /// The key.
    public var key: CacheKey
    /// Against what it lost.
    public var loss: Resolution.Loss
    /// When.
    public var lostAt: Timestamp
    /// The row as it was; its sequence is the conflict's number.
    public var loser: ReviewedRow
    /// Whether the loser's value was kept.
    public var isValueKept: Bool
    /// What stands there now; `nil` if nothing does.
    public var standing: ReviewedRow?

    /// The conflict's number: the sequence of the change that lost.
    public var sequence: ChangeSequence { loser.sequence }

    /// A change that lost.
    public init(
        key: CacheKey, loss: Resolution.Loss, lostAt: Timestamp, loser: ReviewedRow, isValueKept: Bool,
        standing: ReviewedRow?
    ) {
        self.key = key
        self.loss = loss
        self.lostAt = lostAt
        self.loser = loser
        self.isValueKept = isValueKept
        self.standing = standing
    }
}

/// A loser that is to be written again.
public struct Reinstatement: Sendable {
    /// The change that lost.
    public var loser: ChangeSequence
    /// What is committed in its place, sealed anew.
    public var change: LocalChange
    /// Whether it also replaces what was written here since it lost.
    public var overwritesLocal: Bool

    /// A loser that is to be written again.
    public init(loser: ChangeSequence, change: LocalChange, overwritesLocal: Bool) {
        self.loser = loser
        self.change = change
        self.overwritesLocal = overwritesLocal
    }
}

/// How sending went, as the store remembers it.
public struct SendingProgress: Sendable, Equatable {
    /// What kept changes from being sent.
    public struct Failure: Sendable, Equatable {
        /// When it was met.
        public var at: Timestamp
        /// The code of the error.
        public var code: String
        /// Its message.
        public var message: String

        /// A failure.
        public init(at: Timestamp, code: String, message: String) {
            self.at = at
            self.code = code
            self.message = message
        }
    }

    /// When the watermark last moved; `nil` if it never did, or only under an older version.
    public var movedAt: Timestamp?
    /// The last outage; over if the watermark moved after it.
    public var lastFailure: Failure?

    /// How sending went.
    public init(movedAt: Timestamp? = nil, lastFailure: Failure? = nil) {
        self.movedAt = movedAt
        self.lastFailure = lastFailure
    }
}
