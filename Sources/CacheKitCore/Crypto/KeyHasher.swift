/// Names cache keys where they must not be shown, such as in logs: by the first 6 bytes of an HMAC-SHA256.
///
/// Whoever has the master key can tell which key a hash stands for (`cachekit keys hash`); nobody else can, also not by trying
/// likely names. The key of the HMAC is derived for the tenant under the domain `log_keys`, so that a hash says nothing about
/// anything else that is derived, and differs from tenant to tenant. Six bytes are for telling keys of one log apart: among ten
/// million keys about one in six million shares its hash with another.
public final class KeyHasher: Sendable {
    private let authenticator: MessageAuthenticator

    /// Hashes under a key of the tenant: the same ones in every process that has the master key.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` when the tenant does not have 1 to 1024 bytes.
    public init(master: MasterKey, tenant: String) throws(CacheError) {
        authenticator = try MessageAuthenticator(master.derive(domain: "log_keys", tenant: tenant))
    }

    /// Hashes under a key that is drawn now and that nobody else has: they tell the keys of one process apart, and no more.
    public init() throws(CacheError) {
        authenticator = try MessageAuthenticator(SecretBytes.random(count: 32))
    }

    /// `#` and 12 hex digits; `#` alone where OpenSSL fails.
    public func hash(_ key: CacheKey) -> String {
        guard let code = try? authenticator.authenticate(key.string) else { return "#" }
        return "#" + String(decoding: code.prefix(6).flatMap { [hexDigit($0 >> 4), hexDigit($0 & 15)] }, as: UTF8.self)
    }
}

extension KeyHasher: CustomStringConvertible, CustomReflectable {
    /// Redacted.
    public var description: String { "KeyHasher(redacted)" }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
