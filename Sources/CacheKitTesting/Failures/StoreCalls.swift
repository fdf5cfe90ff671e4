/// Kinds of calls of a store, so that a failure can be of some of them only.
public struct StoreCalls: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt8

    /// Kinds by their bits.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// What asks and changes nothing: `read`, `contains`, `statistics`, `ping`, `inspect` and the like.
    public static let reads = StoreCalls(rawValue: 1)
    /// What changes something: `commit`, `fill`, `settle`, `write`, `push` and the like.
    public static let writes = StoreCalls(rawValue: 2)
    /// The feed of a local store: `changes` and `changedKeys`.
    public static let feed = StoreCalls(rawValue: 4)
    /// What nobody waits for: a local store's `maintain`; a remote's marks, survey, sweep and fence.
    public static let upkeep = StoreCalls(rawValue: 8)
    /// Every call but `close`.
    public static let all: StoreCalls = [.reads, .writes, .feed, .upkeep]
}
