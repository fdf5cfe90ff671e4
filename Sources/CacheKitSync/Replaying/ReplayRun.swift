import CacheKit
import CacheKitCore

/// One replay from its beginning to its end, across processes: what it is about, how far it got, what came of it.
///
/// Counts and position are kept together, so that a batch that is sent twice, because the process died before that, is counted
/// once.
struct ReplayRun: Sendable {
    /// What is kept of it.
    private struct Content: Codable {
        var terms: ReplayTerms
        var startedAt: Int64
        var first: UInt64
        var last: UInt64
        var position: UInt64
        var counts: [String: Int]
        var refusal: String?
        var milliseconds: Int64
    }

    let id: UInt64
    let terms: ReplayTerms
    let selection: ReplaySelection
    let startedAt: Timestamp
    private(set) var step: UInt64 = 0
    /// It is about changes from this one on.
    let first: ChangeSequence
    /// And up to this one.
    let last: ChangeSequence
    /// Everything up to here was looked at.
    private(set) var position: ChangeSequence
    private(set) var counts = ReplayCounts()
    private(set) var refusal: String?
    private(set) var elapsed = Duration.zero

    /// A replay that begins now.
    init(
        id: UInt64, _ terms: ReplayTerms, at now: Timestamp, watermark: ChangeSequence, lastSequence: ChangeSequence
    ) {
        self.id = id
        self.terms = terms
        selection = terms.selection
        startedAt = now
        let end = selection.state == .settled ? watermark : lastSequence
        last = min(selection.through ?? end, end)
        let first = max(selection.from ?? ChangeSequence(1), ChangeSequence(1))
        self.first = selection.state == .pending ? max(first, ChangeSequence(watermark.number + 1)) : first
        position = ChangeSequence(self.first.number - 1)
    }

    /// One that was begun before; `nil` for a note that can't be read.
    init?(_ note: ReplayNote) {
        guard let content = try? MessagePackDecoder().decode(Content.self, from: note.content), content.first > 0 else {
            return nil
        }
        id = note.id
        step = note.step
        terms = content.terms
        selection = terms.selection
        startedAt = Timestamp(milliseconds: content.startedAt)
        first = ChangeSequence(content.first)
        last = ChangeSequence(content.last)
        position = ChangeSequence(content.position)
        for outcome in ReplayOutcome.allCases { counts[outcome] = content.counts[outcome.rawValue] ?? 0 }
        refusal = content.refusal
        elapsed = .milliseconds(content.milliseconds)
    }

    func note() throws(CacheError) -> ReplayNote {
        var numbers: [String: Int] = [:]
        for outcome in ReplayOutcome.allCases where counts[outcome] > 0 { numbers[outcome.rawValue] = counts[outcome] }
        let content = Content(
            terms: terms, startedAt: startedAt.milliseconds, first: first.number, last: last.number,
            position: position.number, counts: numbers, refusal: refusal.map { String($0.prefix(300)) },
            milliseconds: elapsed.wholeMilliseconds)
        return ReplayNote(id: id, step: step, content: try MessagePackEncoder().encode(content))
    }

    var hasReachedEnd: Bool { position >= last }

    /// Goes on to a change, with what came of those up to there.
    mutating func advance(to position: ChangeSequence, _ counts: ReplayCounts, refusal: String?, took: Duration) {
        self.position = max(self.position, position)
        self.counts.add(counts)
        self.refusal = self.refusal ?? refusal
        elapsed += took
        step += 1
    }

    /// Nothing more of what it is about is there.
    mutating func reachEnd() { position = max(position, last) }

    /// Why a change is not sent; `nil` for one that is.
    func reasonToSkip(_ change: Change, policy: SyncPolicy, isPending: Bool, at now: Timestamp) -> ReplayOutcome? {
        guard isSelected(change) else { return .notSelected }
        if policy.isSingleWriter { return .singleWriter }
        let entry = change.entry
        // The life of one that waits may begin only when it is sent.
        let keepsAlive = isPending && policy.pendingKeepsAlive(for: entry) && !entry.isTombstone
        return entry.staleAt <= now && !keepsAlive ? .expired : nil
    }

    private func isSelected(_ change: Change) -> Bool {
        if let namespace = selection.namespace, !change.key.string.hasPrefix("\(namespace):") { return false }
        let age = change.entry.version.time.duration(to: startedAt)
        if let least = selection.olderThan, age < least { return false }
        if let most = selection.newerThan, age > most { return false }
        return selection.pattern?.matches(change.key.string) ?? true
    }

    func report(isResumed: Bool, isDryRun: Bool, error: CacheError? = nil) -> ReplayReport {
        ReplayReport(
            id: isDryRun ? 0 : id, selection: selection, startedAt: startedAt, isResumed: isResumed,
            isDryRun: isDryRun, isFinished: hasReachedEnd && error == nil, error: error, counts: counts,
            firstRefusal: refusal, first: first, position: position, last: last,
            elapsed: elapsed)
    }
}
