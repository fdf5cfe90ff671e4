/// What reading keys of the remote ahead has found and done so far.
public struct Prefetch: Sendable, Equatable {
    /// Keys of the remote that begin so.
    public var listed = 0
    /// Values that were not held here before, and are now.
    public var pulled = 0
    /// Values that do not open under any key of the ring.
    public var unopened = 0
    /// Whether all keys were listed.
    public var isComplete = false

    /// Nothing read.
    public init() {}
}

/// How many keys are read at a time, when nobody knows how large their values are: fewer where the last ones were large.
struct PrefetchBound {
    private static let mostBytes = 4 << 20

    private let most: Int
    /// For the next read.
    private(set) var count: Int

    init(keysPerSecond: Int?) {
        most = max(1, min(256, (keysPerSecond ?? .max) / 4))
        count = min(16, most)
    }

    /// So many bytes came of so many keys.
    mutating func took(_ bytes: Int, of keys: Int) {
        let average = max(1, bytes / max(1, keys))
        count = max(1, min(most, count * 2, Self.mostBytes / average))
    }
}
