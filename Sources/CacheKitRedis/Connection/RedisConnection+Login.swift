internal import CacheKitCore

/// What is said on a new connection before anyone uses it.
struct Login: Sendable {
    var credentials: RedisCredentials?
    var database = 0
    var clientName = ""
    /// Whether the server is a replica of a Cluster, to be read from.
    var readsFromReplica = false

    /// One command of the login; some may be refused without harm.
    private enum Step {
        case authenticate
        case selectDatabase
        case nameClient
        case readFromReplica
        case ping
    }

    /// `AUTH`, `SELECT`, `CLIENT SETNAME`, `READONLY`, each only where needed
    /// (https://redis.io/docs/latest/commands/auth/).
    private var commands: (writer: RESPWriter, steps: [Step]) {
        var writer = RESPWriter()
        var steps: [Step] = []
        if let credentials {
            if let username = credentials.username {
                writer.command("AUTH", username, credentials.password)
            } else {
                writer.command("AUTH", credentials.password)
            }
            steps.append(.authenticate)
        }
        if database != 0 {
            writer.command("SELECT", String(database))
            steps.append(.selectDatabase)
        }
        if !clientName.isEmpty {
            writer.command("CLIENT", "SETNAME", clientName)
            steps.append(.nameClient)
        }
        if readsFromReplica {
            writer.command("READONLY")
            steps.append(.readFromReplica)
        }
        // Also where there is nothing to say, one answer shows that this is a Redis that lets us in.
        writer.command("PING")
        steps.append(.ping)
        return (writer, steps)
    }

    /// Logs in. Blocks: for I/O threads only.
    ///
    /// - Throws: `remoteAuthentication` when user or password are refused, `remoteTimeout` at the deadline.
    func perform(
        on stream: any ByteStream, _ reader: RESPReader, deadline: ContinuousClock.Instant
    ) throws(CacheError) {
        let (writer, steps) = commands
        try Exchange(stream: stream, reader: reader).perform(writer, isFirst: true, deadline: deadline) {
            position, reply throws(CacheError) in
            if case .error(let text) = reply, !Self.isHarmless(text, steps[position]) { throw .redisReply(text) }
        }
    }

    /// Whether the connection can be used although the server refused this step.
    private static func isHarmless(_ text: String, _ step: Step) -> Bool {
        switch step {
        // Otherwise the connection would be another user's, on another database, or sent away with every read.
        case .authenticate, .selectDatabase, .readFromReplica: false
        // Only a name: ACL rules may forbid it, and proxies don't know the command.
        case .nameClient: text.hasPrefix("ERR unknown") || isForCommands(text)
        case .ping: isForCommands(text)
        }
    }

    /// Whether each command may find out by itself: what it may do, and whether the server loads its file or runs a script.
    private static func isForCommands(_ text: String) -> Bool {
        text.hasPrefix("NOPERM")
            || CacheError.redisReply(text).code == .remoteNotReady && !text.hasPrefix("ERR max number of clients")
    }
}
