internal import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

// The one place where what Redis, the socket layer and the resolver report becomes a `CacheError`. Server text may
// repeat key names and user names, so only its first word, when it is one of those known here, gets into a message.
extension CacheError {
    /// An error reply. Words: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors; for those of
    /// replication and Cluster https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
    static func redisReply(_ text: String, file: String = #fileID, line: Int = #line) -> CacheError {
        let word = text.prefix { $0 != " " }
        func error(_ code: Code, _ message: String) -> CacheError {
            CacheError(code, "Redis answered \(word): \(message)", file: file, line: line)
        }
        switch word {
        // https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
        case "NOAUTH": return error(.remoteAuthentication, "a password is needed; give user and password")
        case "WRONGPASS": return error(.remoteAuthentication, "user or password is wrong; give the right ones")
        case "DENIED":
            return error(.remoteAuthentication, "it is in protected mode; set a password there or connect locally")
        case "NOPERM": return error(.remoteAuthentication, "the user may not do this; extend its ACL rules")
        case "LOADING": return error(.remoteNotReady, "it is loading its file; try again later")
        case "READONLY": return error(.remoteNotReady, "it is a replica; connect to the master")
        case "OOM": return error(.remoteNotReady, "it is out of memory; raise maxmemory or set an eviction policy")
        case "BUSY": return error(.remoteNotReady, "a script is running for too long; try again later")
        case "MISCONF": return error(.remoteNotReady, "it can't save its file and refuses writes; mend its disk")
        case "NOREPLICAS": return error(.remoteNotReady, "too few replicas are connected; try again later")
        case "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN": return error(.remoteNotReady, "try again later")
        case "MOVED", "ASK":
            return error(.invalidConfiguration, "it is a node of a Cluster; use redis+cluster:// in the address")
        case "WRONGTYPE": return error(.remoteRejected, "the key holds another type; delete it or use another key")
        case "EXECABORT": return error(.remoteRejected, "a command of the transaction was refused")
        case "ERR" where text.hasPrefix("ERR AUTH <password> called without any password"):
            return error(.remoteAuthentication, "a password was given and the server has none; remove it")
        case "ERR" where text.hasPrefix("ERR max number of clients"):
            return error(.remoteNotReady, "it has too many clients; raise maxclients")
        case "ERR" where text.hasPrefix("ERR This instance has cluster support disabled"):
            return error(.invalidConfiguration, "it is not a node of a Cluster; use redis:// in the address")
        // Up to Redis 7.0, and from then on.
        case "ERR" where text.hasPrefix("ERR The user executing the script"),
            "ERR" where text.hasPrefix("ERR ACL failure"):
            return error(.remoteAuthentication, "the user may not do this in a script; extend its ACL rules")
        case "ERR": return error(.remoteRejected, "it refused the command; see the server's log")
        default:
            return CacheError(
                .remoteRejected, "Redis refused the command with an error of a kind not known here", file: file,
                line: line)
        }
    }

    /// A failed system call while reaching or talking to the server (errno values: POSIX.1-2017, "connect", "send").
    static func redisSocket(_ call: String, errno code: CInt, file: String = #fileID, line: Int = #line) -> CacheError {
        let reason = String(cString: strerror(code))
        if code == ETIMEDOUT {
            return CacheError(
                .remoteTimeout, "Redis did not answer (\(call): \(reason)); check network and server", file: file,
                line: line)
        }
        return CacheError(
            .remoteUnavailable, "Redis can't be reached (\(call): \(reason)); check address, network and server",
            file: file, line: line)
    }

    /// A name that could not be resolved (RFC 3493, section 6.1).
    static func redisResolver(_ code: CInt, file: String = #fileID, line: Int = #line) -> CacheError {
        CacheError(
            .remoteUnavailable,
            "the Redis host can't be resolved (\(String(cString: gai_strerror(code)))); check its name and the resolver",
            file: file, line: line)
    }

    /// The connection ended before the bytes were sent.
    static func redisNotSent(_ cause: CacheError?) -> CacheError {
        CacheError(.remoteUnavailable, "the connection to Redis was lost before sending; try again", cause: cause)
    }

    /// The connection ended after bytes were sent and before their answer.
    static func redisUnanswered(_ cause: CacheError?) -> CacheError {
        CacheError(
            .mayHaveBeenApplied, "the connection to Redis was lost after sending; the command may have been applied",
            cause: cause)
    }

    /// A write that only noted connections may carry came to one made since.
    static func redisNotNoted() -> CacheError {
        CacheError(
            .remoteUnavailable, "the connection to Redis is a new one; those before it are ended first, try again")
    }

    /// No answer in time.
    static func redisTimeout() -> CacheError {
        CacheError(
            .remoteTimeout, "Redis did not answer within commandTimeout; check the server or raise the deadline")
    }

    /// No connection in time.
    static func redisConnectTimeout() -> CacheError {
        CacheError(.remoteTimeout, "connecting to Redis took longer than connectTimeout; check address and server")
    }

    /// The circuit breaker is open, or half-open and somebody else probes.
    static func redisBreakerOpen(failures: Int, retryAfter wait: Duration?, _ cause: CacheError?) -> CacheError {
        let prospect = CircuitBreaker.prospect(failures: failures, retryAfter: wait)
        let reason = cause.map { "; \($0.message)" } ?? "; check the server"
        return CacheError(
            .remoteUnavailable, "Redis is not asked while its circuit breaker is open (\(prospect))\(reason)",
            cause: cause)
    }

    /// Too many callers wait.
    static func redisBackPressure() -> CacheError {
        CacheError(.backPressure, "too many callers wait for Redis; ask less at once or raise maximumWaitingCallers")
    }

    /// The server closed.
    static func redisClosed() -> CacheError {
        CacheError(.remoteUnavailable, "Redis closed the connection; check the server")
    }

    /// A reply of an unexpected form.
    static func redisUnexpectedReply(file: String = #fileID, line: Int = #line) -> CacheError {
        CacheError(
            .remoteProtocol, "Redis sent a reply of another form than the command has; check what listens there",
            file: file, line: line)
    }

    /// Nothing was heard yet.
    static func redisNotFollowed() -> CacheError {
        CacheError(.remoteUnavailable, "Redis is not listened to yet; it is tried again")
    }

    /// A description of a Cluster that can't be true.
    static func redisSlotMap(file: String = #fileID, line: Int = #line) -> CacheError {
        CacheError(
            .remoteProtocol, "Redis described its Cluster in a way that can't be true; check what listens there",
            file: file, line: line)
    }

    /// Redirected again and again.
    static func redisRedirectedTooOften() -> CacheError {
        CacheError(
            .remoteNotReady, "the Redis Cluster sent a command from node to node; check that its nodes agree on slots")
    }

    /// We are closed.
    static func redisShutdown() -> CacheError {
        CacheError(.shutdown, "the Redis store is closed; open another one")
    }

    /// The calling task was cancelled.
    static func redisCancelled() -> CacheError {
        CacheError(.cancelled, "the calling task was cancelled while it waited for Redis")
    }
}
