public import CacheKit
public import CacheKitCore

/// The lock that the sibling SDKs use: a key beside the value's, whose content is the holder's token
/// (protocol section 8; https://redis.io/docs/latest/develop/use/patterns/distributed-locks/).
extension RedisStore: RemoteLocking {
    /// Whole, and not by its hash: no server has to be told of it first, whichever has become master.
    private static let renewal =
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
    private static let release =
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

    /// `SET <key>:lock <token> NX PX <milliseconds>`.
    public func acquireLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let name = Self.name(key)
        switch try await ask(name, ["SET", name, token.text, "NX", "PX", Self.milliseconds(lease)]) {
        case .simpleString: return true
        case .null: return false
        default: throw .redisUnexpectedReply()
        }
    }

    /// `PEXPIRE`, by a script, if the lock is the token's.
    public func renewLock(of key: CacheKey, _ token: LockToken, lease: Duration) async throws(CacheError) -> Bool {
        let name = Self.name(key)
        return try await isDone(name, ["EVAL", Self.renewal, "1", name, token.text, Self.milliseconds(lease)])
    }

    /// `DEL`, by a script, if the lock is the token's.
    public func releaseLock(of key: CacheKey, _ token: LockToken) async throws(CacheError) -> Bool {
        let name = Self.name(key)
        return try await isDone(name, ["EVAL", Self.release, "1", name, token.text])
    }

    private func isDone(_ name: String, _ arguments: [String]) async throws(CacheError) -> Bool {
        guard case .integer(let count) = try await ask(name, arguments) else { throw .redisUnexpectedReply() }
        return count > 0
    }

    private func ask(_ name: String, _ arguments: [String]) async throws(CacheError) -> RESPValue {
        try await command(arguments.map { Array($0.utf8) }, for: name)
    }

    private static func name(_ key: CacheKey) -> String { key.string + ":lock" }

    private static func milliseconds(_ duration: Duration) -> String { String(max(1, duration.wholeMilliseconds)) }
}
