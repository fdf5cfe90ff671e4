/// Where a value came from.
public enum EntrySource: String, Sendable {
    /// The memory tier.
    case memory
    /// The local store; perhaps after the remote was asked whether it still stands.
    case local
    /// The remote.
    case remote
    /// A loader that ran now.
    case loader
}

/// A value, where it came from, and how good it is.
public struct Lookup<Value: Sendable>: Sendable {
    /// Where a value came from.
    public typealias Source = EntrySource

    /// The value.
    public var value: Value
    /// Where it came from.
    public var source: Source
    /// Whether its life has ended: it is served because no newer one is to be had, or while one is loaded.
    public var isStale: Bool
    /// How long ago it was written or renewed, by whichever node; of what was read from a Redis without a file, how long ago it was
    /// set or its load began. `nil` where nobody knows, as of what other SDKs wrote.
    public var age: Duration?
    /// What is left of its life; zero for a stale one.
    public var remaining: Duration
    /// How long its loader took; `nil` for a value that was set, and in interop mode unless it was loaded now.
    public var loadTime: Duration?

    init(
        value: Value, source: Source, isStale: Bool, age: Duration?, remaining: Duration, loadTime: Duration? = nil
    ) {
        self.value = value
        self.source = source
        self.isStale = isStale
        self.age = age
        self.remaining = remaining
        self.loadTime = loadTime
    }
}

extension Lookup {
    /// What is known of an entry beside its value.
    init(
        _ value: Value, _ entry: MemoryEntry, _ attributes: ValueAttributes, from source: Source, at now: Timestamp
    ) {
        self.init(
            value: value, source: source, isStale: entry.staleAt <= now,
            age: Self.age(entry, attributes, now),
            remaining: max(.zero, now.duration(to: entry.staleAt)),
            loadTime: attributes.loadMilliseconds.map { .milliseconds(Int64($0)) })
    }

    private static func age(_ entry: MemoryEntry, _ attributes: ValueAttributes, _ now: Timestamp) -> Duration? {
        if entry.isWriteTimeKnown { return max(.zero, entry.writtenAt.duration(to: now)) }
        guard attributes.stamp != 0 else { return nil }
        return max(.zero, StampClock.time(of: attributes.stamp).duration(to: now))
    }
}
