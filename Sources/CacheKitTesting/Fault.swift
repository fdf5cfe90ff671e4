/// Something that goes wrong on one connection of a ``FaultProxy``.
///
/// Positions count the bytes that went in that direction since the connection was accepted, so that the same traffic meets
/// the same fault.
public enum Fault: Sendable, Equatable {
    /// Which way bytes go.
    public enum Direction: Sendable, CaseIterable {
        /// From the client to the server.
        case requests
        /// From the server to the client.
        case replies
    }

    /// Closes the connection once so many bytes have gone that way; 0 closes it at once.
    ///
    /// The server has done everything that it was given by the time the client sees its end, so what "may have been applied"
    /// is decided then.
    case cut(Direction, after: Int)
    /// Takes every byte past the first so many and gives none on, while the connection stays open: a black hole. Of
    /// replies, the commands took effect all the same.
    case swallow(Direction, after: Int)
    /// Gives bytes on so much later.
    case delay(Direction, Duration)
    /// Gives bytes on one at a time, so far apart.
    case trickle(Direction, every: Duration)
    /// Puts bytes of somebody else into the replies, after so many of theirs and before the next.
    case garbage([UInt8], after: Int)

    /// A cut in either direction, at a byte drawn so that small and large positions are equally likely: bits of a position
    /// below `limit` (a power of two) are drawn first.
    public static func randomCut(below limit: Int, using random: inout SeededRandom) -> Fault {
        let bits = Int.random(
            in: 0...max(0, limit - 1).bitWidth - max(0, limit - 1).leadingZeroBitCount, using: &random)
        let position = Int.random(in: 0..<(1 << bits), using: &random)
        return .cut(Direction.allCases.randomElement(using: &random) ?? .replies, after: position)
    }
}
