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
    }

    /// One row per key, under its latest change.
    public internal(set) var rows: [CacheKey: StoredEntry] = [:]
    /// The node id of new versions.
    public internal(set) var node: UInt64
    /// Everything up to here has an outcome.
    public internal(set) var watermark = ChangeSequence.zero
    /// Changes given up on.
    public internal(set) var deadLetters: [DeadLetter] = []
    /// Changes set aside.
    public internal(set) var parked: [ParkedChange] = []
    /// Changes that lost.
    public internal(set) var conflicts: [Conflict] = []
    var clock = HybridLogicalClock()
    var sequence: UInt64 = 0
    var sentThrough = ChangeSequence.zero
    var marks: RemoteMarks?
    var fence: [UInt8]?

    /// An empty file.
    public init(node: UInt64) {
        self.node = node
    }

    /// Whether a row's change has no outcome yet.
    public func isPending(_ row: StoredEntry) -> Bool { row.origin == .local && row.sequence > watermark }

    mutating func store(_ change: LocalChange, _ origin: EntryOrigin, at now: Timestamp) -> ChangeSequence {
        var base = rows[change.key].map { baseAfter($0) } ?? []
        if origin == .remote { base = change.value.map { [Self.fingerprint($0, change.form)] } ?? [] }
        sequence += 1
        rows[change.key] = StoredEntry(
            value: change.value, form: change.value == nil ? .plain : change.form, mode: change.mode,
            version: Version(stamp: clock.next(at: now), node: node), sequence: ChangeSequence(sequence),
            origin: origin,
            expiresAt: change.expiresAt, staleAt: change.staleAt, base: base)
        return ChangeSequence(sequence)
    }

    /// What the remote may hold once a row is overwritten.
    private func baseAfter(_ row: StoredEntry) -> [ValueFingerprint] {
        if !isPending(row) { return Self.ownFirst(row) }
        let own = row.value.map { [Self.fingerprint($0, row.form)] } ?? []
        return row.sequence <= max(sentThrough, watermark) ? Array((row.base.prefix(1) + own).prefix(2)) : row.base
    }

    /// The value of a settled row, and the one before that, which the remote holds where the row was sealed anew since.
    static func ownFirst(_ row: StoredEntry) -> [ValueFingerprint] {
        Array(((row.value.map { [fingerprint($0, row.form)] } ?? []) + row.base).prefix(2))
    }

    private static func fingerprint(_ value: [UInt8], _ form: ValueForm) -> ValueFingerprint {
        (try? ValueFingerprint(of: value, form: form)) ?? .none
    }
}
