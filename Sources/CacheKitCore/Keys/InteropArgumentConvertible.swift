/// A type whose values are arguments of an ``InteropOperation``: every CacheKit SDK makes the same key of them.
///
/// `Bool`, the integers, `Double`, `String`, `[UInt8]` and `Data` (bytes), `Date`, `UUID`, and arrays, sets, optionals and
/// dictionaries by `String` of these are. `Float` is not: its `0.1` is another number than the `0.1` of other SDKs. A type of
/// your own says what it is on the wire; an enum with raw values only has to be declared:
///
/// ```swift
/// enum Role: String, InteropArgumentConvertible { case reader, writer }
///
/// extension Point: InteropArgumentConvertible {
///     var interopArgument: InteropArgument { ["x": .float(x), "y": .float(y)] }
/// }
/// ```
public protocol InteropArgumentConvertible: Sendable {
    /// The argument that this value is.
    ///
    /// - Throws: ``CacheError/Code/encoding`` for a value outside the model.
    var interopArgument: InteropArgument { get throws(CacheError) }
}

extension InteropArgument: InteropArgumentConvertible {
    /// Itself.
    public var interopArgument: InteropArgument { self }
}

extension InteropUUID: InteropArgumentConvertible {
    /// A UUID.
    public var interopArgument: InteropArgument { .uuid(self) }
}

extension InteropDateTime: InteropArgumentConvertible {
    /// A moment.
    public var interopArgument: InteropArgument { .dateTime(self) }
}

extension MessagePackValue: InteropArgumentConvertible {
    /// What the document stands for.
    public var interopArgument: InteropArgument { InteropArgument(self) }
}

extension InteropArgumentConvertible where Self: RawRepresentable, RawValue: InteropArgumentConvertible {
    /// The raw value.
    public var interopArgument: InteropArgument {
        get throws(CacheError) { try rawValue.interopArgument }
    }
}

extension Bool: InteropArgumentConvertible {
    /// A boolean.
    public var interopArgument: InteropArgument { .bool(self) }
}

extension Double: InteropArgumentConvertible {
    /// A float; whether it is finite is looked at when the key is made.
    public var interopArgument: InteropArgument { .float(self) }
}

extension String: InteropArgumentConvertible {
    /// A string, never normalised.
    public var interopArgument: InteropArgument { .string(self) }
}

extension Substring: InteropArgumentConvertible {
    /// A string, never normalised.
    public var interopArgument: InteropArgument { .string(String(self)) }
}

extension InteropArgumentConvertible where Self: FixedWidthInteger {
    /// An integer.
    ///
    /// - Throws: ``CacheError/Code/encoding`` outside -2^63 ... 2^64-1.
    public var interopArgument: InteropArgument {
        get throws(CacheError) {
            if let value = Int64(exactly: self) { return .int(value) }
            guard let value = UInt64(exactly: self) else {
                throw CacheError(.encoding, "an integer argument is outside -2^63 to 2^64-1; pass it as a string")
            }
            return .uint(value)
        }
    }
}

extension Int: InteropArgumentConvertible {}
extension Int8: InteropArgumentConvertible {}
extension Int16: InteropArgumentConvertible {}
extension Int32: InteropArgumentConvertible {}
extension Int64: InteropArgumentConvertible {}
extension UInt: InteropArgumentConvertible {}
extension UInt8: InteropArgumentConvertible {}
extension UInt16: InteropArgumentConvertible {}
extension UInt32: InteropArgumentConvertible {}
extension UInt64: InteropArgumentConvertible {}
