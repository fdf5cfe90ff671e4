/// A point in time: milliseconds since the Unix epoch.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public var milliseconds: Int64

    /// A point in time.
    public init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    /// The beginning of 1970; stands for a time that is not known.
    public static let zero = Timestamp(milliseconds: 0)

    /// Earlier or not.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.milliseconds < right.milliseconds
    }

    /// This time moved by a duration, rounded down to a millisecond; saturates.
    public func advanced(by duration: Duration) -> Timestamp {
        let (sum, overflow) = milliseconds.addingReportingOverflow(duration.wholeMilliseconds)
        return Timestamp(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    /// How long from this time to a later one; negative if it is earlier; saturates.
    public func duration(to other: Timestamp) -> Duration {
        let (difference, overflow) = other.milliseconds.subtractingReportingOverflow(milliseconds)
        return .milliseconds(overflow ? (other < self ? .min : .max) : difference)
    }
}

extension Duration {
    /// Whole microseconds, for what takes no longer than years; saturates.
    var wholeMicroseconds: Int {
        let (seconds, attoseconds) = components
        guard abs(seconds) < 1 << 40 else { return seconds < 0 ? .min : .max }
        return Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
    }

    /// Whole milliseconds, rounded down; saturates at the bounds of `Int64`.
    public var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        var part = attoseconds / 1_000_000_000_000_000
        if attoseconds % 1_000_000_000_000_000 < 0 { part -= 1 }
        let (sum, overflowed) = product.addingReportingOverflow(part)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }
}
