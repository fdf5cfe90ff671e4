/// Which keys a server is asked to tell of.
struct TrackedPrefixes: Sendable {
    /// None of them begins with another one: Redis refuses prefixes that overlap. Empty for every key.
    let prefixes: [String]

    init(_ prefixes: [String]) {
        // In order of bytes, what begins with a prefix follows it at once.
        var kept: [String] = []
        for prefix in prefixes.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            if let last = kept.last, prefix.utf8.starts(with: last.utf8) { continue }
            kept.append(prefix)
        }
        self.prefixes = kept
    }

    /// Lets a connection's server send the names of keys that others change to another connection.
    ///
    /// `OFF` first, because prefixes and target can't be changed while it is on. `NOLOOP` leaves out what this very
    /// connection writes by plain commands; Redis 7.0 does tell of what its scripts write, and always of expiry.
    func tracking(redirectedTo subscriber: Int64) -> CommandBatch {
        var writer = RESPWriter()
        writer.command("CLIENT", "TRACKING", "OFF")
        var arguments = ["CLIENT", "TRACKING", "ON", "REDIRECT", String(subscriber), "BCAST", "NOLOOP"]
        for prefix in prefixes { arguments += ["PREFIX", prefix] }
        writer.command(arguments.map { Array($0.utf8) })
        return CommandBatch(writer)
    }
}
