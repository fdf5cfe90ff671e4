internal import CacheKit
internal import CacheKitCore

/// What comes on a connection that hears of changed keys.
enum SubscriptionMessage {
    /// The server's number of this connection.
    case clientID(Int64)
    /// The subscription stands.
    case subscribed
    /// What others changed.
    case invalidation(RemoteInvalidation)
    /// A command was refused.
    case refused(String)
    /// An answer to `PING`, and whatever a later server may send: not ours to judge.
    case other

    /// The channel that `CLIENT TRACKING` sends to (https://redis.io/docs/latest/commands/client-tracking/).
    static let channel = "__redis__:invalidate"

    init(_ reply: RESPValue) {
        switch reply {
        case .integer(let number): self = .clientID(number)
        case .error(let text): self = .refused(text)
        case .array(let parts) where parts.count == 3:
            switch (parts[0], parts[2]) {
            case (.bulkString(Array("subscribe".utf8)), _): self = .subscribed
            case (.bulkString(Array("message".utf8)), let payload):
                self = parts[1] == .bulkString(Array(Self.channel.utf8)) ? Self.message(payload) : .other
            default: self = .other
            }
        default: self = .other
        }
    }

    private static func message(_ payload: RESPValue) -> SubscriptionMessage {
        switch payload {
        // FLUSHALL and FLUSHDB.
        case .null: return .invalidation(.everything)
        case .array(let names):
            // A name that no cache can have is nobody's loss.
            let keys = names.compactMap { name -> CacheKey? in
                guard case .bulkString(let bytes) = name, let string = String(validating: bytes, as: UTF8.self) else {
                    return nil
                }
                return try? CacheKey(held: string)
            }
            return keys.isEmpty ? .other : .invalidation(.keys(keys))
        default: return .other
        }
    }
}
