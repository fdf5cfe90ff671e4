import CacheKitCore
import Synchronization

/// Which rows of the local store may be out of date at the remote: they are asked for before they are served, if the remote
/// answers, and served as they are if it is away. Changes that the remote has not got yet are never asked for.
///
/// Two things make a row unverified. A gap, during which changes were not heard of: every row up to the store's last
/// sequence of that time. And a key that was heard to have changed. Either way until the remote was asked after it.
/// Held in memory only and bounded: past the bound, marks count as a gap, and what was verified since one is forgotten.
final class UnverifiedRows: Sendable {
    /// What a row is worth.
    enum Standing {
        case verified
        /// To be asked for; served if nobody answers.
        case unverified
        /// The remote has said that there is no such key: not served from here.
        case gone
    }

    /// Counts what was heard, so that an answer can be told to be older than a change.
    typealias Moment = UInt64

    private struct Mark {
        var moment: Moment
        var isGone: Bool
    }

    private struct Suspicion {
        /// When it was first missed.
        var since: Duration
        /// Losses that were known then: of a later one it says nothing.
        var losses: Int
    }

    private struct State {
        var moment: Moment = 0
        var lastGap: Moment = 0
        /// Until the store was asked for its last sequence, every row counts as older than the gap.
        var isGapOpen = false
        var through = ChangeSequence.zero
        var marks: [Hash128: Mark] = [:]
        var overflows = 0
        /// Rows beside which a record was missing.
        var suspicions: [Hash128: Suspicion] = [:]
        /// Keys whose rows are from before the gap and were verified after it.
        var verified: Set<Hash128> = []

        mutating func open() {
            moment += 1
            lastGap = moment
            isGapOpen = true
            verified = []
            // The others are covered by the gap.
            marks = marks.filter(\.value.isGone)
        }

        mutating func mark(_ hash: Hash128, _ mark: Mark) {
            verified.remove(hash)
            if marks.count >= UnverifiedRows.maximumMarks, marks[hash] == nil {
                open()
                marks = [:]
                overflows += 1
            }
            marks[hash] = mark
        }
    }

    static let maximumMarks = 65_536

    private let state: Mutex<State>

    /// - Parameter isGapOpen: whether every row counts as older than a gap: what changed before the file was opened was not
    ///   heard of.
    init(isGapOpen: Bool = false) {
        var state = State()
        if isGapOpen { state.open() }
        self.state = Mutex(state)
    }

    /// Taken before the remote is asked.
    var moment: Moment { state.withLock { $0.moment } }

    /// Anything may have changed.
    func everything() { state.withLock { $0.open() } }

    /// These keys have changed.
    func changed(_ hashes: [Hash128]) {
        state.withLock { state in
            for hash in hashes {
                state.moment += 1
                state.suspicions[hash] = nil
                state.mark(hash, Mark(moment: state.moment, isGone: state.marks[hash]?.isGone ?? false))
            }
        }
    }

    /// The gap whose last sequence is not known yet.
    var openGap: Moment? { state.withLock { $0.isGapOpen ? $0.lastGap : nil } }

    /// Rows with a higher sequence came after the gap.
    func close(_ gap: Moment, through sequence: ChangeSequence) {
        state.withLock { state in
            guard state.lastGap == gap, state.isGapOpen else { return }
            state.isGapOpen = false
            state.through = max(state.through, sequence)
        }
    }

    /// What the row of a key is worth, unless it is a change that the remote has not got.
    func standing(_ hash: Hash128, _ sequence: ChangeSequence) -> Standing {
        state.withLock { state in
            if let mark = state.marks[hash] { return mark.isGone ? .gone : .unverified }
            guard state.isGapOpen || sequence <= state.through else { return .verified }
            return state.verified.contains(hash) ? .verified : .unverified
        }
    }

    /// Whether a key was heard to have changed, and the remote was not asked after it since.
    func isMarked(_ hash: Hash128) -> Bool { state.withLock { $0.marks[hash] != nil } }

    /// The remote was asked for a key at `moment`, and its row stands.
    func stands(_ hash: Hash128, asked moment: Moment) {
        state.withLock { state in
            guard state.lastGap <= moment, state.marks[hash].map({ $0.moment <= moment }) ?? true else { return }
            state.marks[hash] = nil
            if state.verified.count >= Self.maximumMarks { state.verified = [] }
            state.verified.insert(hash)
        }
    }

    /// The remote was asked for keys at `moment`, and their rows stand; for whoever says so of all rows in the end.
    func stand(_ hashes: [Hash128], asked moment: Moment) {
        state.withLock { state in
            guard !state.marks.isEmpty, state.lastGap <= moment else { return }
            for hash in hashes {
                if let mark = state.marks[hash], mark.moment <= moment { state.marks[hash] = nil }
            }
        }
    }

    /// The record beside a row is missing; says since when that is known.
    func suspects(_ hash: Hash128, at uptime: Duration, losses: Int) -> Duration {
        state.withLock { state in
            if let suspicion = state.suspicions[hash], suspicion.losses == losses { return suspicion.since }
            if state.suspicions.count >= Self.maximumMarks { state.suspicions = [:] }
            state.suspicions[hash] = Suspicion(since: uptime, losses: losses)
            return uptime
        }
    }

    /// The record beside a row is there, or is none that was there before.
    func trusts(_ hash: Hash128) {
        state.withLock { state in
            if !state.suspicions.isEmpty { state.suspicions[hash] = nil }
        }
    }

    /// The remote was asked for a key at `moment`, and nobody can tell yet: its row stays unverified, whatever is said of all rows.
    func doubt(_ hash: Hash128, asked moment: Moment) {
        state.withLock { state in
            if state.marks[hash] == nil { state.mark(hash, Mark(moment: moment, isGone: false)) }
        }
    }

    /// How often more was marked than is kept.
    var overflows: Int { state.withLock { $0.overflows } }

    /// Every row was compared with the remote, or marked, beginning at `moment`.
    func compared(since moment: Moment) {
        state.withLock { state in
            guard state.lastGap <= moment, !state.isGapOpen else { return }
            state.through = .zero
            state.verified = []
        }
    }

    /// What is unverified: rows up to a sequence, less those verified since, and so many others.
    var extent: (through: ChangeSequence, verified: Int, marked: Int) {
        state.withLock { state in
            (state.isGapOpen ? ChangeSequence(.max) : state.through, state.verified.count, state.marks.count)
        }
    }

    /// The remote was asked for a key at `moment` and has answered; what it held is in the store now.
    func found(_ hash: Hash128, asked moment: Moment) {
        state.withLock { state in
            if let mark = state.marks[hash], mark.moment <= moment { state.marks[hash] = nil }
            // The answer may be from before the gap, and the row has a sequence from after it.
            if state.lastGap > moment { state.mark(hash, Mark(moment: state.lastGap, isGone: false)) }
        }
    }

    /// The remote was asked for a key at `moment` and has none, while the store has a row.
    func absent(_ hash: Hash128, asked moment: Moment) {
        state.withLock { state in
            guard state.lastGap <= moment, state.marks[hash].map({ $0.moment <= moment }) ?? true else { return }
            state.mark(hash, Mark(moment: moment, isGone: true))
        }
    }
}
