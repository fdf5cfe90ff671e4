extension Optional: InteropArgumentConvertible where Wrapped: InteropArgumentConvertible {
    /// What it wraps, or nil.
    public var interopArgument: InteropArgument {
        get throws(CacheError) {
            guard let wrapped = self else { return .nil }
            return try wrapped.interopArgument
        }
    }
}

extension Array: InteropArgumentConvertible where Element: InteropArgumentConvertible {
    /// An array; of `UInt8`, a byte string.
    public var interopArgument: InteropArgument {
        get throws(CacheError) {
            // By the type: an empty array casts to an array of anything.
            if Element.self == UInt8.self, let bytes = self as? [UInt8] { return .bytes(bytes) }
            return .array(try arguments(of: self))
        }
    }
}

extension Set: InteropArgumentConvertible where Element: InteropArgumentConvertible {
    /// A set.
    public var interopArgument: InteropArgument {
        get throws(CacheError) { .set(try arguments(of: self)) }
    }
}

extension Dictionary: InteropArgumentConvertible where Key == String, Value: InteropArgumentConvertible {
    /// A map.
    public var interopArgument: InteropArgument {
        get throws(CacheError) {
            var entries: [InteropArgument.Entry] = []
            entries.reserveCapacity(count)
            for (key, value) in self {
                entries.append(InteropArgument.Entry(key: key, value: try value.interopArgument))
            }
            return .map(entries)
        }
    }
}

private func arguments(
    of elements: some Collection<some InteropArgumentConvertible>
) throws(CacheError) -> [InteropArgument] {
    var arguments: [InteropArgument] = []
    arguments.reserveCapacity(elements.count)
    for element in elements { arguments.append(try element.interopArgument) }
    return arguments
}
