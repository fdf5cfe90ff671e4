/// One argument of an interop operation: the closed model that every SDK hashes alike (protocol section 2).
public enum InteropArgument: Hashable, Sendable {
    /// Nil.
    case `nil`
    /// A boolean.
    case bool(Bool)
    /// An integer that fits 64 bits with a sign.
    case int(Int64)
    /// An integer 0...2^64-1; where it fits ``int(_:)`` too, both encode alike.
    case uint(UInt64)
    /// A finite float; an integral one encodes like the integer.
    case float(Double)
    /// A string, never normalised.
    case string(String)
    /// A byte string.
    case bytes([UInt8])
    /// An array.
    case array([InteropArgument])
    /// A map with string keys; the order does not matter, a key twice is an error.
    case map([Entry])
    /// A set; order and duplicates do not matter.
    case set([InteropArgument])
    /// A UUID as its 16 bytes, in the order of its text.
    case uuid(InteropUUID)
    /// A moment.
    case dateTime(InteropDateTime)
}

extension InteropArgument {
    /// One pair of a map.
    public struct Entry: Hashable, Sendable {
        /// The key.
        public var key: String
        /// The value.
        public var value: InteropArgument

        /// A pair.
        public init(key: String, value: InteropArgument) {
            self.key = key
            self.value = value
        }
    }

    /// A moment in microseconds since the epoch.
    public static func dateTime(microseconds: Int64) -> InteropArgument {
        .dateTime(InteropDateTime(microseconds: microseconds))
    }

    /// A map.
    public static func map(_ entries: [String: InteropArgument]) -> InteropArgument {
        .map(entries.map { Entry(key: $0.key, value: $0.value) })
    }
}

extension InteropArgument: ExpressibleByNilLiteral {
    /// Nil.
    public init(nilLiteral: ()) { self = .nil }
}

extension InteropArgument: ExpressibleByBooleanLiteral {
    /// A boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension InteropArgument: ExpressibleByIntegerLiteral {
    /// An integer.
    public init(integerLiteral value: Int64) { self = .int(value) }
}

extension InteropArgument: ExpressibleByFloatLiteral {
    /// A float.
    public init(floatLiteral value: Double) { self = .float(value) }
}

extension InteropArgument: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
}

extension InteropArgument: ExpressibleByArrayLiteral {
    /// An array.
    public init(arrayLiteral elements: InteropArgument...) { self = .array(elements) }
}

extension InteropArgument: ExpressibleByDictionaryLiteral {
    /// A map.
    public init(dictionaryLiteral elements: (String, InteropArgument)...) {
        self = .map(elements.map { Entry(key: $0.0, value: $0.1) })
    }
}
