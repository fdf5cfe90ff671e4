internal import CacheKitCore

/// How commands that only read are done in one step.
enum AtomicReading: Sendable {
    /// `MULTI` to `EXEC`, which costs least (https://redis.io/docs/latest/develop/interact/transactions/).
    case transaction
    /// A script, for a server that has reached its `maxmemory` and evicts nothing. Such a one queues no command, because a queue
    /// takes memory, but runs a script for as long as that writes nothing that would grow. `EVAL`, without the flags in the
    /// first line or the `EVAL_RO` that only Redis 7.0 and later know: so one form does for every version.
    case script

    /// The other way, if a server's replies say that it would do.
    func alternative(after replies: ArraySlice<RESPValue>) -> AtomicReading? {
        guard self == .transaction, case .error = replies.last else { return nil }
        // EXEC only says that a command was refused; the first that was says why.
        for case .error(let text) in replies { return text.hasPrefix("OOM ") ? .script : nil }
        return nil
    }

    /// The results of the commands, in their order.
    func results(_ replies: ArraySlice<RESPValue>) throws(CacheError) -> [RESPValue] {
        // A command that could not be queued (no permission, loading) says why; EXEC only says that there was one.
        for case .error(let text) in replies { throw failure(text) }
        guard case .array(let results) = replies.last else { throw .redisUnexpectedReply() }
        return results
    }

    private func failure(_ text: String) -> CacheError {
        let error = CacheError.redisReply(text)
        // Whoever may not run a script is told what keeps Redis from the usual way.
        let isRefused = error.code == .remoteAuthentication || text.hasPrefix("ERR unknown command")
        return self == .script && isRefused ? .redisReply("OOM") : error
    }
}
