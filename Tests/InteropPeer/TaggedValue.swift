import CacheKit

/// Values and arguments as the proof sends them: `[tag, payload]`, so that no type is left to guess.
///
/// `nil`, `bool`, `int`, `float`, `str`, `bytes`, `array` of tagged elements, `map` of `[key, tagged]` pairs; arguments may
/// be `set`, `uuid` and `datetime` too.
enum TaggedValue {
    /// The argument of a tagged form.
    static func argument(_ tagged: MessagePackValue) throws(CacheError) -> InteropArgument {
        let (tag, payload) = try parts(tagged)
        switch (tag, payload) {
        case ("array", .array(let elements)): return .array(try arguments(elements))
        case ("set", .array(let elements)): return .set(try arguments(elements))
        case ("map", .array(let pairs)):
            var entries: [InteropArgument.Entry] = []
            for pair in pairs {
                let (key, value) = try parts(pair)
                entries.append(InteropArgument.Entry(key: key, value: try argument(value)))
            }
            return .map(entries)
        case ("uuid", .string(let text)): return .uuid(try InteropUUID(text))
        case ("datetime", .string(let text)): return .dateTime(try InteropDateTime(iso8601: text))
        default: return InteropArgument(try value(tagged))
        }
    }

    /// The value of a tagged form.
    static func value(_ tagged: MessagePackValue) throws(CacheError) -> MessagePackValue {
        let (tag, payload) = try parts(tagged)
        switch (tag, payload) {
        case ("nil", .nil), ("bool", .bool), ("int", .int), ("int", .uint), ("float", .double), ("str", .string),
            ("bytes", .bytes):
            return payload
        case ("array", .array(let elements)):
            var values: [MessagePackValue] = []
            for element in elements { values.append(try value(element)) }
            return .array(values)
        case ("map", .array(let pairs)):
            var entries: [MessagePackValue.Entry] = []
            for pair in pairs {
                let (key, element) = try parts(pair)
                entries.append(MessagePackValue.Entry(key: key, value: try value(element)))
            }
            return .map(entries)
        default: throw Request.malformed(tag)
        }
    }

    /// The tagged form of a value.
    static func tagged(_ value: MessagePackValue) -> MessagePackValue {
        switch value {
        case .nil: ["nil", nil]
        case .bool: ["bool", value]
        case .int, .uint: ["int", value]
        case .double: ["float", value]
        case .string: ["str", value]
        case .bytes: ["bytes", value]
        case .array(let elements): ["array", .array(elements.map(tagged))]
        case .map(let entries): ["map", .array(entries.map { [.string($0.key), tagged($0.value)] })]
        }
    }

    private static func arguments(_ elements: [MessagePackValue]) throws(CacheError) -> [InteropArgument] {
        var arguments: [InteropArgument] = []
        for element in elements { arguments.append(try argument(element)) }
        return arguments
    }

    /// A pair whose first element is a string.
    private static func parts(_ pair: MessagePackValue) throws(CacheError) -> (String, MessagePackValue) {
        guard case .array(let elements) = pair, elements.count == 2, case .string(let first) = elements[0] else {
            throw Request.malformed("tagged value")
        }
        return (first, elements[1])
    }
}
