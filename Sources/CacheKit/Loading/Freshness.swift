import CacheKitCore

/// What a loading policy makes of an entry: decides, and does nothing.
enum Freshness: Sendable, Equatable {
    /// Served.
    case fresh
    /// Served, and loaded anew in the background before its life ends.
    case dueForRefresh
    /// Its life has ended; served, and loaded anew in the background.
    case stale
    /// Its life has ended; served if no newer one is to be had.
    case lastResort
    /// Not served.
    case over

    /// - Parameter spread: 0 to 1, the same each time for an entry: which part of a tenth of its life is taken off before a refresh.
    init(_ entry: MemoryEntry, _ policy: LoadingPolicy, spread: Double, at now: Timestamp) {
        if entry.staleAt > now {
            self = Self.isDue(entry, policy, spread, now) ? .dueForRefresh : .fresh
            return
        }
        let past = entry.staleAt.duration(to: now)
        if entry.expiresAt <= now || entry.isNegative {
            self = .over
        } else if past < policy.staleWhileRevalidate {
            self = .stale
        } else {
            self = past < policy.staleIfError ? .lastResort : .over
        }
    }

    private static func isDue(
        _ entry: MemoryEntry, _ policy: LoadingPolicy, _ spread: Double, _ now: Timestamp
    ) -> Bool {
        guard let share = policy.eagerRefresh, !entry.isNegative else { return false }
        // Of a life whose length nobody knows, what was left when it was read: a guess would be due at once, again and again.
        let life = (entry.writtenAt == .zero ? now : entry.writtenAt).duration(to: entry.staleAt)
        let passed = life - now.duration(to: entry.staleAt)
        let due = Double(life.wholeMilliseconds) * (share - spread / 10)
        return passed >= .milliseconds(due.rounded(.down))
    }
}
