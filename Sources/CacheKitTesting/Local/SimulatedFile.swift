public import CacheKit
import CacheKitCore

/// What a ``SimulatedLocalStore`` has on disk: a value, so that a copy of it is a copied file.
public struct SimulatedFile: Sendable {
    /// A change that lost, kept for the report.
    public struct Conflict: Sendable {
        /// Against what it lost.
        public var loss: Resolution.Loss
        /// The loser.
        public var change: Change
        /// When it lost.
        public var lostAt = Timestamp(milliseconds: 0)
    }

    /// What became of every change that was ever made here, as the books of a shop have it: each is in one of these, or pending.
    public struct Account: Sendable {
        /// Changes that were made.
        public var made = 0
        /// Those that the watermark passed while they stood.
        public var passed = 0
        /// Those that lost and were replaced.
        public var lost = 0
    }

    /// One row per key, under its latest change.
    public var rows: [CacheKey: StoredEntry] = [:]
    /// The node id of new versions.
    public internal(set) var node: UInt64
    /// Everything up to here has an outcome.
    public internal(set) var watermark = ChangeSequence.zero
    /// Changes given up on.
    public internal(set) var deadLetters: [DeadLetter] = []
    /// Changes set aside.
    public internal(set) var parked: [ParkedChange] = []
    /// Changes that lost.
    public var conflicts: [Conflict] = []
    var setAsideAt: [ChangeSequence: Timestamp] = [:]
    var progress = SendingProgress()
    /// Changes that were overwritten above the watermark.
    public var superseded = 0
    /// Where every change is.
    public internal(set) var account = Account()
    var clock = HybridLogicalClock()
    var sequence: UInt64 = 0
    var sentThrough = ChangeSequence.zero
    var marks: RemoteMarks?
    var fence: [UInt8]?
    /// How far replays got.
    public var replays: [ReplayNote] = []
    /// Rows sealed anew since they were settled, or given up on: the remote holds what their base says.
    var resealed: Set<CacheKey> = []
    /// Rows given up on by a person: another value than what their base stands for.
    var givenUp: Set<CacheKey> = []

    /// An empty file.
    public init(node: UInt64) {
        self.node = node
    }

    /// Whether a row's change has no outcome yet.
    public func isPending(_ row: StoredEntry) -> Bool { row.origin == .local && row.sequence > watermark }

    /// Whether a row may be lost: its change has an outcome, and nobody has to look at it.
    func isReplaceable(_ row: StoredEntry) -> Bool {
        guard !isPending(row) else { return false }
        return !deadLetters.contains { $0.sequence == row.sequence } && !parked.contains { $0.sequence == row.sequence }
    }

    /// - Parameter version: that of a value from the remote; a change made here gets one above the row's.
    mutating func store(
        _ change: LocalChange, _ origin: EntryOrigin, version: Version = .unknown, at now: Timestamp
    ) -> ChangeSequence {
        var base = rows[change.key].map { baseAfter(change.key, $0) } ?? []
        resealed.remove(change.key)
        givenUp.remove(change.key)
        if origin == .remote { base = Self.known(change.isNegative ? nil : change.value, change.form) }
        sequence += 1
        if origin == .local, let former = rows[change.key]?.version,
            former.time <= now.advanced(by: HybridLogicalClock.toleratedSkew)
        {
            clock.observe(former.stamp)
        }
        // Also for what was read: should the clock fall behind, what is written over it is newer all the same.
        let stamp = clock.next(at: now)
        rows[change.key] = StoredEntry(
            value: change.value, form: change.value == nil ? .plain : change.form, mode: change.mode,
            version: origin == .local ? Version(stamp: stamp, node: node) : version,
            sequence: ChangeSequence(sequence),
            origin: origin,
            expiresAt: change.expiresAt, staleAt: change.staleAt, base: base, isNegative: change.isNegative)
        return ChangeSequence(sequence)
    }

    /// What the remote may hold once a row is overwritten.
    private func baseAfter(_ key: CacheKey, _ row: StoredEntry) -> [ValueFingerprint] {
        let own = Self.known(row.isNegative ? nil : row.value, row.form)
        // What was set aside was settled without being applied.
        if isReplaceable(row) { return resealed.contains(key) ? row.base : own }
        guard row.sequence <= max(sentThrough, watermark) else { return row.base }
        return row.base.first == own.first ? own : Array((row.base.prefix(1) + own).prefix(2))
    }

    private static func known(_ value: [UInt8]?, _ form: ValueForm) -> [ValueFingerprint] {
        value.map { [fingerprint($0, form)] } ?? []
    }

    static func fingerprint(_ value: [UInt8], _ form: ValueForm) -> ValueFingerprint {
        (try? ValueFingerprint(of: value, form: form)) ?? .none
    }
}
