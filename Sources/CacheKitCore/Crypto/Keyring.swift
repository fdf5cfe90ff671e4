/// The current master key, which seals and opens, and up to three previous ones, which only open (protocol section 5).
///
/// Forward-only: a key that has been current is never made current again.
public struct Keyring: Sendable {
    /// The most decrypt-only keys.
    public static let maximumPreviousCount = 3

    /// The key that seals.
    public let current: MasterKey
    /// Keys that only open, newest first.
    public let previous: [MasterKey]

    /// Checks and keeps the keys.
    ///
    /// - Throws: ``CacheError/Code/invalidMasterKey`` for more than three previous keys, or the current one among them.
    public init(current: MasterKey, previous: [MasterKey] = []) throws(CacheError) {
        guard previous.count <= Self.maximumPreviousCount else {
            throw CacheError(
                .invalidMasterKey,
                "\(previous.count) previous master keys are given; at most \(Self.maximumPreviousCount) are allowed")
        }
        guard !previous.contains(current) else {
            throw CacheError(
                .invalidMasterKey, "the current master key is also given as a previous one; remove it there")
        }
        self.current = current
        self.previous = previous
    }

    /// All keys, the current one first.
    public var keys: [MasterKey] { [current] + previous }
}

extension Keyring: CustomStringConvertible, CustomDebugStringConvertible {
    /// Redacted: the number of previous keys only.
    public var description: String { "Keyring(current, \(previous.count) previous)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
}
