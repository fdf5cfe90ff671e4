import CacheKit
import CacheKitCore

/// How the file and Redis differ, which command mends it, and the exit code that says so.
struct ComparisonEnd: Sendable {
    var rows = RemoteComparison()
    /// Whether all rows were compared.
    var isComplete = false
    /// What ended it.
    var error: CacheError?

    var nextSteps: [String] {
        var steps: [String] = []
        func add(_ count: Int, _ step: String) {
            if count > 0 { steps.append("\(count) \(step)") }
        }
        add(rows.unreadable, "rows of the file do not authenticate; run: cachekit doctor")
        if !isComplete { steps.append("not all was compared; the same command begins anew") }
        add(
            rows.unopened,
            "values in Redis do not open under any key given; add theirs to CACHEKIT_PREVIOUS_MASTER_KEYS, or write them anew"
        )
        add(
            rows.missing + rows.older + rows.notDeleted,
            "rows are missing, older or not deleted in Redis; run on the nodes that wrote them: cachekit sync replay")
        add(
            rows.missing,
            "of them are missing; those that nobody sends again and Redis has no record of are dropped by: cachekit sync pull"
        )
        add(rows.newer, "rows are newer in Redis; take them in with: cachekit sync pull")
        add(
            rows.foreign,
            "values were written by another SDK; take them in with: cachekit sync pull, or replace them with: cachekit sync replay --policy local-wins"
        )
        add(
            rows.sameWithoutRecord,
            "values have no version in Redis, as those of other SDKs have none; if Redis lost them, run: cachekit sync replay"
        )
        add(rows.pending, "changes wait and were left out; run: cachekit sync push")
        add(rows.setAside, "changes wait for a decision and were left out; see: cachekit sync status")
        return steps.isEmpty ? ["nothing differs"] : steps
    }

    func print(json: Bool) {
        var fields = Report(schema: SyncReport.schema)
        fields.add("complete", isComplete)
        fields.add("compared", rows.compared)
        fields.add("same", rows.same)
        fields.add("same_without_record", rows.sameWithoutRecord)
        fields.add("newer", rows.newer)
        fields.add("older", rows.older)
        fields.add("foreign", rows.foreign)
        fields.add("missing", rows.missing)
        fields.add("not_deleted", rows.notDeleted)
        fields.add("opened", rows.opened)
        fields.add("unopened", rows.unopened)
        fields.add("pending", rows.pending)
        fields.add("set_aside", rows.setAside)
        fields.add("unreadable", rows.unreadable)
        fields.print(json: json, nextSteps: nextSteps)
    }

    func check() throws {
        if let error { throw error }
        if !isComplete {
            StandardError.write("cachekit: stopped after \(rows.compared) rows")
            throw ExitStatus.partial
        }
        if rows.unreadable > 0 { throw ExitStatus.damagedStore }
        if !rows.isClean { throw ExitStatus.partial }
    }
}
