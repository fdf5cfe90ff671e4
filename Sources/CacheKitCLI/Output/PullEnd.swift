import CacheKit
import CacheKitCore

/// How far a pull came, what it left, and the exit code that says so.
struct PullEnd: Sendable {
    var rows = Reconciliation()
    /// Whether all rows were compared.
    var areRowsDone = false
    /// Of keys that were asked for by their beginnings; `nil` where none were.
    var pinned: Prefetch?
    /// What ended it.
    var error: CacheError?

    var isComplete: Bool { error == nil && areRowsDone && pinned?.isComplete ?? true }

    private var unopened: Int { rows.unopened + (pinned?.unopened ?? 0) }

    var nextSteps: [String] {
        var steps: [String] = []
        if rows.unreadable > 0 {
            steps.append("\(rows.unreadable) rows of the file do not authenticate; run: cachekit doctor")
        }
        if !isComplete { steps.append("not all was compared; the same command begins anew, and loses nothing") }
        if unopened > 0 {
            steps.append(
                "\(unopened) values in Redis do not open under any key given; add theirs to CACHEKIT_PREVIOUS_MASTER_KEYS and run: cachekit sync pull"
            )
        }
        if rows.undecided > 0 {
            steps.append(
                "Redis may have lost \(rows.undecided) of the rows; run cachekit sync push here and where they were written, then: cachekit sync pull"
            )
        }
        if rows.pending > 0 { steps.append("\(rows.pending) changes wait; run: cachekit sync push") }
        if rows.setAside > 0 {
            steps.append("\(rows.setAside) changes wait for a decision; see: cachekit sync status")
        }
        return steps.isEmpty ? ["nothing is left to do"] : steps
    }

    func print(json: Bool) {
        var fields = Report(schema: SyncReport.schema)
        fields.add("complete", isComplete)
        fields.add("compared", rows.compared)
        fields.add("unchanged", rows.unchanged)
        fields.add("pulled", rows.pulled)
        fields.add("dropped", rows.dropped)
        fields.add("remote_behind", rows.remoteBehind)
        fields.add("undecided", rows.undecided)
        fields.add("unopened", unopened)
        fields.add("pending", rows.pending)
        fields.add("set_aside", rows.setAside)
        fields.add("unreadable", rows.unreadable)
        fields.add("pinned_listed", pinned.map { .int(Int64($0.listed)) } ?? .nil)
        fields.add("pinned_pulled", pinned.map { .int(Int64($0.pulled)) } ?? .nil)
        fields.print(json: json, nextSteps: nextSteps)
    }

    func check() throws {
        if let error { throw error }
        if !isComplete {
            StandardError.write("cachekit: stopped after \(rows.compared) rows; what was pulled stays")
            throw ExitStatus.partial
        }
        if rows.unreadable > 0 { throw ExitStatus.damagedStore }
        if unopened + rows.undecided > 0 { throw ExitStatus.partial }
    }
}

extension Reconciliation {
    /// The same after rows that could not be decided about were compared a second time.
    func after(_ second: Reconciliation) -> Reconciliation {
        var sum = self
        let changed = second.pulled + second.dropped + second.remoteBehind
        sum.next = second.next
        sum.undecided = second.next == nil ? second.undecided : max(undecided - changed, second.undecided)
        sum.unchanged += max(undecided - sum.undecided - changed, 0)
        sum.pulled += second.pulled
        sum.dropped += second.dropped
        sum.remoteBehind += second.remoteBehind
        return sum
    }
}
