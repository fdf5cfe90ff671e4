/// A physical cache key: 1 to 1,024 bytes of UTF-8 without NUL, as Redis holds it (protocol section 7).
public struct CacheKey: Hashable, Sendable {
    /// The longest key, in bytes of UTF-8.
    public static let maximumByteCount = 1024
    /// What every key of CacheKit's own records in Redis starts with; no user key may.
    public static let reservedPrefix = "ckv:"

    /// The key, never normalised.
    public let string: String

    /// Checks a key.
    ///
    /// - Throws: ``CacheError/Code/invalidKey`` when it is empty, over-long, holds a NUL or starts with `ckv:`.
    public init(_ string: String) throws(CacheError) {
        try self.init(string, allowsMarkers: false)
    }

    /// A name that a store holds: a key, or a removal marker's, which has the one NUL that no key has, behind a colon.
    ///
    /// - Throws: ``CacheError/Code/invalidKey`` for anything else.
    package init(held string: String) throws(CacheError) {
        try self.init(string, allowsMarkers: true)
    }

    private init(_ string: String, allowsMarkers: Bool) throws(CacheError) {
        var string = string
        // Native, contiguous UTF-8 from here on: hashing and comparing take the fast path.
        string.makeContiguousUTF8()
        let utf8 = string.utf8
        guard !utf8.isEmpty else {
            throw CacheError(.invalidKey, "the key is empty; give 1 to \(Self.maximumByteCount) bytes of UTF-8")
        }
        guard utf8.count <= Self.maximumByteCount else {
            throw CacheError(
                .invalidKey, "the key has \(utf8.count) bytes; at most \(Self.maximumByteCount) are allowed")
        }
        // Over the bytes where they lie, which is several times as fast.
        let hasNUL = utf8.withContiguousStorageIfAvailable { $0.contains(0) } ?? utf8.contains(0)
        guard !hasNUL || allowsMarkers && Self.isMarker(utf8) else {
            throw CacheError(.invalidKey, "the key holds a NUL byte; remove it")
        }
        // Bytes, not characters: a combining mark after the colon would hide the prefix from `hasPrefix`.
        guard !utf8.starts(with: Self.reservedPrefix.utf8) else {
            throw CacheError(.invalidKey, "keys that start with '\(Self.reservedPrefix)' are CacheKit's own; rename it")
        }
        self.string = string
    }

    /// Whether this is no key of anybody's but a removal marker's.
    package var isMarker: Bool {
        // Asked of every key that was heard to have changed.
        string.utf8.withContiguousStorageIfAvailable { $0.contains(0) } ?? string.utf8.contains(0)
    }

    private static func isMarker(_ utf8: String.UTF8View) -> Bool {
        guard let place = utf8.firstIndex(of: 0), place > utf8.startIndex else { return false }
        return utf8[utf8.index(before: place)] == UInt8(ascii: ":") && utf8.lastIndex(of: 0) == place
    }

    /// A key whose parts were checked already.
    package init(validated string: String) {
        self.string = string
    }

    /// The key `{namespace}:{key}` (protocol section 7).
    public init(namespace: String, key: String) throws(CacheError) {
        guard !key.isEmpty else {
            throw CacheError(.invalidKey, "the key is empty; give at least one byte after the namespace")
        }
        try self.init("\(namespace):\(key)")
    }
}

extension CacheKey {
    /// Whether the bytes are equal. Not `String`'s equality, which is up to Unicode normalisation: Redis would hold two.
    public static func == (left: CacheKey, right: CacheKey) -> Bool {
        // Equal bytes hash alike as strings too, so the synthesized hash stays.
        left.string.utf8.count == right.string.utf8.count && left.string.utf8.elementsEqual(right.string.utf8)
    }
}

extension CacheKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Redacted: keys may hold personal data, so logs never show one.
    public var description: String { "CacheKey(\(string.utf8.count) bytes)" }
    /// Redacted, like ``description``.
    public var debugDescription: String { description }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
