import CacheKit

/// A part of the feed that is sent and counted as one: changes that are sent, and what is skipped up to its end.
struct ReplayPart: Sendable {
    var changes: [Change] = []
    var skipped = ReplayCounts()
    /// The last change that it covers.
    var last = ChangeSequence.zero

    /// Cuts what was read into parts of at most so many changes that are sent.
    static func parts(
        of changes: [Change], count: Int, reasonToSkip: (Change) -> ReplayOutcome?
    ) -> [ReplayPart] {
        var parts: [ReplayPart] = []
        var open = ReplayPart()
        for change in changes {
            if let reason = reasonToSkip(change) {
                open.skipped[reason] += 1
            } else {
                if open.changes.count == count {
                    parts.append(open)
                    open = ReplayPart()
                }
                open.changes.append(change)
            }
            open.last = change.entry.sequence
        }
        if open.last > .zero { parts.append(open) }
        return parts
    }
}
