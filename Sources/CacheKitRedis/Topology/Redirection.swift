/// An error reply of a Cluster that says: not here, or not now. The command that got it had no effect
/// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding).
enum Redirection: Equatable, Sendable {
    /// `MOVED`: the slot belongs to another.
    case moved(RedisEndpoint)
    /// `ASK`: the key has gone there, or goes there if it is new, while its slot is on the way; this once.
    case ask(RedisEndpoint)
    /// `TRYAGAIN`: the slot is on the way, and the keys are at both ends of it.
    case tryAgain
    /// `CLUSTERDOWN`, `LOADING`, `MASTERDOWN`, `READONLY`: passes by itself, or somebody else is master by then.
    case notReady
    /// `MOVED` or `ASK` without a place.
    case malformed

    /// `nil` for an error of another kind.
    ///
    /// - Parameter asked: who answered; its host stands where the reply has none.
    init?(_ text: String, from asked: RedisEndpoint) {
        let words = text.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        switch words[0] {
        case "MOVED": self = Self.place(words, from: asked).map { .moved($0) } ?? .malformed
        case "ASK": self = Self.place(words, from: asked).map { .ask($0) } ?? .malformed
        case "TRYAGAIN": self = .tryAgain
        case "CLUSTERDOWN", "LOADING", "MASTERDOWN", "READONLY": self = .notReady
        default: return nil
        }
    }

    /// The first that is among the replies of commands which belong together, and its text.
    static func first(
        in replies: ArraySlice<RESPValue>, from asked: RedisEndpoint
    ) -> (redirection: Redirection, text: String)? {
        for case .error(let text) in replies {
            // What comes after another error, such as EXECABORT, only follows from that.
            return Redirection(text, from: asked).map { ($0, text) }
        }
        return nil
    }

    /// `<word> <slot> <host>:<port>`; an IPv6 address has no brackets here.
    private static func place(_ words: [Substring], from asked: RedisEndpoint) -> RedisEndpoint? {
        guard words.count == 3, let slot = Int(words[1]), HashSlot(number: slot) != nil,
            let colon = words[2].lastIndex(of: ":"), let port = Int(words[2][words[2].index(after: colon)...])
        else { return nil }
        return RedisEndpoint(announced: String(words[2][..<colon]), port: port, by: asked)
    }
}
