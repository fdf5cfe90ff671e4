/// A user and password for Redis; never shown by a description.
public struct RedisCredentials: Sendable {
    /// The ACL user; `nil` for the default user.
    public var username: String?
    /// The password.
    public var password: String

    /// A password, with an ACL user or for the default one (https://redis.io/docs/latest/commands/auth/).
    public init(username: String? = nil, password: String) {
        self.username = username
        self.password = password
    }
}

extension RedisCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "RedisCredentials(redacted)" }
    /// Redacted.
    public var debugDescription: String { description }
    /// Redacted, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
