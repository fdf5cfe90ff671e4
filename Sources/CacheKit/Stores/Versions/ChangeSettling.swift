public import CacheKitCore

/// The part of a local store that the sync engine needs to carry changes to a remote: what was sent, what came of it.
///
/// Every call is one transaction, durable when it returns; a call that throws has changed nothing.
public protocol ChangeSettling: Sendable {
    /// Who sends, and how far it got.
    func sendingState() async throws(CacheError) -> SendingState

    /// Notes, before the first of them is sent, that changes up to here may reach the remote: their versions are final.
    /// A lower sequence than before is ignored.
    ///
    /// - Parameter fence: what ``VersionedRemote/fence(_:)`` gave, to be kept; `nil` keeps what is there.
    func beginSending(through sequence: ChangeSequence, fence: [UInt8]?) async throws(CacheError)

    /// Moves the watermark up to where the settlement says, and keeps what else it says.
    ///
    /// - Returns: how many changes written here the watermark passed that still stood. Others count as superseded, or lost.
    @discardableResult
    func settle(_ settlement: Settlement) async throws(CacheError) -> Int

    /// How many changes were overwritten here above the watermark, since the store was made: nothing else becomes of them.
    func supersededCount() async throws(CacheError) -> Int

    /// Changes written here that were settled and not set aside, above `after` and up to `through`, in order; for sending
    /// again what the remote has lost. At most `limit`, and about `byteLimit` bytes of values (at least one if any is left).
    func settledChanges(
        after: ChangeSequence, through: ChangeSequence, limit: Int, byteLimit: Int
    ) async throws(CacheError) -> [Change]

    /// Replaces rows that lost against the remote and keeps the losers, bounded; says which rows still stood under the
    /// expected change and were replaced.
    @discardableResult
    func resolve(_ resolutions: [Resolution]) async throws(CacheError) -> [Bool]

    /// Gives changes other versions; `nil` for a row that no longer stands under the expected change. Sequences stay.
    func restamp(_ stamps: [Restamp], at now: Timestamp) async throws(CacheError) -> [Version?]

    /// Draws a new node id, because another node uses this one, and forgets every mark.
    func reidentify() async throws(CacheError) -> UInt64

    /// How far replays got that have not ended, the oldest first.
    func replayNotes() async throws(CacheError) -> [ReplayNote]

    /// Puts a note in the place of the one of its replay, if that is at this step; for `nil`, beside the others, of which the
    /// oldest makes room where there are ``ReplayNote/mostKept``.
    ///
    /// - Returns: whether it was kept.
    func keepReplay(_ note: ReplayNote, replacing step: UInt64?) async throws(CacheError) -> Bool

    /// Forgets the note of a replay; of one that has none, nothing happens.
    func forgetReplay(_ id: UInt64) async throws(CacheError)
}

/// Who sends, and how far it got.
public struct SendingState: Sendable, Equatable {
    /// The node id that new versions carry.
    public var node: UInt64
    /// Everything up to here has an outcome.
    public var watermark: ChangeSequence
    /// Changes up to here may have reached the remote under this node id; at least the watermark.
    public var sentThrough: ChangeSequence
    /// What was acknowledged by which bucket; `nil` where nothing is known.
    public var marks: RemoteMarks?
    /// The connections of whoever sent last.
    public var fence: [UInt8]?

    /// Who sends, and how far it got.
    public init(
        node: UInt64, watermark: ChangeSequence, sentThrough: ChangeSequence, marks: RemoteMarks?, fence: [UInt8]?
    ) {
        self.node = node
        self.watermark = watermark
        self.sentThrough = sentThrough
        self.marks = marks
        self.fence = fence
    }
}

/// Outcomes that become durable together.
public struct Settlement: Sendable {
    /// Every change up to here has an outcome. Lower than the watermark is ignored; above the last change is an error.
    public var through: ChangeSequence
    /// Changes given up on.
    public var deadLetters: [DeadLetter] = []
    /// Changes set aside until somebody decides.
    public var parked: [ParkedChange] = []
    /// Marks that changed, to be kept beside the others; those of another number of buckets are forgotten.
    public var marks: RemoteMarks?

    /// A settlement up to a change.
    public init(
        through: ChangeSequence, deadLetters: [DeadLetter] = [], parked: [ParkedChange] = [], marks: RemoteMarks? = nil
    ) {
        self.through = through
        self.deadLetters = deadLetters
        self.parked = parked
        self.marks = marks
    }
}

/// A change set aside: durable here, not at the remote, and sent only when somebody says so.
public struct ParkedChange: Sendable, Hashable {
    /// Why it was set aside.
    public enum Reason: UInt8, Sendable {
        /// Older than tombstones are kept, and nothing tells whether the key was deleted since.
        case tooOld = 1
        /// A plain value, and whoever sends has no key to open it.
        case needsKey = 2
    }

    /// The change.
    public var sequence: ChangeSequence
    /// Its key.
    public var key: CacheKey
    /// Why.
    public var reason: Reason

    /// A change set aside.
    public init(sequence: ChangeSequence, key: CacheKey, reason: Reason) {
        self.sequence = sequence
        self.key = key
        self.reason = reason
    }
}

/// A change of this node that lost, and what takes its place.
public struct Resolution: Sendable {
    /// Against what it lost.
    public enum Loss: UInt8, Sendable, CaseIterable {
        /// A newer version.
        case stale = 1
        /// A write without a version.
        case foreign = 2
        /// The value was gone before its time.
        case absent = 3
    }

    /// The change that the row must still stand under.
    public var sequence: ChangeSequence
    /// What takes its place, as if read from the remote; without a value, a tombstone. A value is stored only after it was opened.
    public var winner: LocalChange
    /// The winner's version, as the remote's record says; a change of this node gets one of its own.
    public var version: Version
    /// Why it lost.
    public var loss: Loss
    /// Whether the winner is a change of this node, to be sent like any other.
    public var isChange: Bool

    /// A change that lost.
    public init(
        sequence: ChangeSequence, winner: LocalChange, version: Version = .unknown, loss: Loss, isChange: Bool = false
    ) {
        self.sequence = sequence
        self.winner = winner
        self.version = version
        self.loss = loss
        self.isChange = isChange
    }
}

/// A change that needs another version.
///
/// Without `above` its time is set back to `now` if it lies ahead, its ends by as much, and its node becomes this one. With
/// `above` it gets a version above that one.
public struct Restamp: Sendable {
    /// The key.
    public var key: CacheKey
    /// The change that its row must still stand under.
    public var sequence: ChangeSequence
    /// What the new version must exceed.
    public var above: Version?

    /// Whether the life of its value is counted from the version: with a later one above ``above`` its ends move as far.
    public var keepsLife: Bool

    /// A change that needs another version.
    public init(key: CacheKey, sequence: ChangeSequence, above: Version? = nil, keepsLife: Bool = false) {
        self.key = key
        self.sequence = sequence
        self.above = above
        self.keepsLife = keepsLife
    }
}
