/// Says which of two writes of a key is newer: a hybrid logical clock stamp and the node that made it.
///
/// 16 bytes, big-endian, ordered as bytes: 48 bits of Unix milliseconds, 16 bits of counter, 8 bytes of node id
/// (docs/file-format.md, "entries").
public struct Version: Hashable, Comparable, Sendable {
    /// Milliseconds and counter: the upper 8 bytes.
    public let stamp: UInt64
    /// The node that made it: the lower 8 bytes.
    public let node: UInt64

    /// Below every version: of a value that nobody gave one.
    public static let unknown = Version(stamp: 0, node: 0)

    /// Below the version itself and above those with an older stamp; no change has it.
    var floor: Version { Version(stamp: stamp, node: 0) }

    /// Whether a change has it.
    var isReal: Bool { node != 0 }

    /// A version from its two halves.
    public init(stamp: UInt64, node: UInt64) {
        self.stamp = stamp
        self.node = node
    }

    /// A version from its 16 bytes; `nil` for another length.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(
            stamp: bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
            node: bytes.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The 16 bytes, big-endian.
    public var bytes: [UInt8] {
        [stamp, node].flatMap { half in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }

    /// When what has this version was written; zero where nobody knows.
    var writtenAt: Timestamp { isReal ? time : .zero }

    /// The wall time that the stamp carries.
    public var time: Timestamp { Timestamp(milliseconds: Int64(stamp >> 16)) }

    /// Older or not; the node id breaks ties.
    public static func < (left: Version, right: Version) -> Bool {
        (left.stamp, left.node) < (right.stamp, right.node)
    }
}

/// Makes stamps that always grow, follow wall time while it grows, and never repeat.
///
/// Kulkarni et al., "Logical Physical Clocks" (2014), with the counter folded into the low 16 bits: when it overflows
/// within a millisecond, the stamp simply moves into the next one. A store reserves stamps ahead, durably, so that no
/// crash repeats one.
public struct HybridLogicalClock: Sendable {
    /// The last stamp given out or seen.
    public private(set) var last: UInt64

    /// Starts above a stamp that was reserved or seen before.
    public init(last: UInt64 = 0) {
        self.last = last
    }

    /// The next stamp: wall time if that has moved on, else one above the last.
    public mutating func next(at now: Timestamp) -> UInt64 {
        let wall = UInt64(max(0, min(now.milliseconds, 1 << 48 - 1))) << 16
        // Saturates at the last stamp there is, in the year 10889, rather than trap on a poisoned one.
        last = max(wall, last == .max ? last : last + 1)
        return last
    }

    /// How far stamps of other nodes may lie ahead and still be followed.
    public static let toleratedSkew: Duration = .seconds(60)

    /// Moves above a stamp seen elsewhere.
    public mutating func observe(_ stamp: UInt64) {
        last = max(last, stamp)
    }
}
