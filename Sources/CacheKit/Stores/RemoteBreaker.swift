/// Whether a remote is asked at all, or held off after failures: the least good of its servers.
public enum RemoteBreaker: Int, Comparable, Sendable {
    /// Asked.
    case closed = 0
    /// One call finds out for all others.
    case halfOpen = 1
    /// Not asked for now.
    case open = 2

    /// Better or not.
    public static func < (left: RemoteBreaker, right: RemoteBreaker) -> Bool { left.rawValue < right.rawValue }
}
