/// A reply of the Redis protocol, version 2 (https://redis.io/docs/latest/develop/reference/protocol-spec/).
package enum RESPValue: Sendable, Equatable {
    /// `+OK`; short ones need no allocation.
    case simpleString(String)
    /// `-ERR text`; the text may hold key names and must not get into a message or log.
    case error(String)
    /// `:42`.
    case integer(Int64)
    /// `$3 abc`: any bytes.
    case bulkString([UInt8])
    /// `*2 ...`.
    case array([RESPValue])
    /// `$-1` or `*-1`.
    case null
}
