/// Reads JSON text (RFC 8259) into a ``MessagePackValue`` and keeps what other parsers lose: integers stay integers up to
/// 64 bits, `2.0` stays a float, members keep their order.
///
/// What JSON can't say is said by an object with one member: `{"$bytes": "00ff"}` (hex) and `{"$float": "nan"}`. A map
/// that only looks like one of these has one `$` more: `{"$$bytes": "00ff"}`. Nesting is bounded; a failure names
/// the byte where it stands and shows none of the text.
struct JSONReader {
    /// Nested objects and arrays; what a decoder of MessagePack takes by default.
    static let maximumDepth = MessagePackDecoder.defaultMaximumDepth

    private let bytes: [UInt8]
    private(set) var position = 0
    private var path: [String] = []
    /// Where the names of members stand, by their paths with dots; noted only where this is not `nil`.
    private(set) var memberPositions: [String: Int]?

    init(_ bytes: [UInt8], notingMembers: Bool = false) {
        self.bytes = bytes
        memberPositions = notingMembers ? [:] : nil
    }

    /// Exactly one value, with white space around it.
    mutating func document() throws(CacheError) -> MessagePackValue {
        let value = try value(depth: 0)
        skipWhiteSpace()
        guard position == bytes.count else { throw failure("something follows the value") }
        return value
    }

    private mutating func value(depth: Int) throws(CacheError) -> MessagePackValue {
        skipWhiteSpace()
        guard position < bytes.count else { throw failure("it ends too early") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .nil)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(CacheError) -> MessagePackValue {
        try enter(depth)
        var entries: [MessagePackValue.Entry] = []
        // Bytes, because `String` equality is up to Unicode normalisation.
        var names: Set<[UInt8]> = []
        skipWhiteSpace()
        if take("}") { return .map([]) }
        repeat {
            skipWhiteSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("a member's name in quotes is expected")
            }
            let start = position
            let name = try string()
            note(name, at: start)
            guard names.insert(Array(name.utf8)).inserted else { throw failure("a name stands twice in one object") }
            skipWhiteSpace()
            guard take(":") else { throw failure("a colon is expected") }
            entries.append(MessagePackValue.Entry(key: name, value: try value(depth: depth + 1)))
            if memberPositions != nil { path.removeLast() }
            skipWhiteSpace()
        } while take(",")
        guard take("}") else { throw failure("a comma or closing brace is expected") }
        return try tagged(entries) ?? .map(entries)
    }

    private mutating func note(_ name: String, at start: Int) {
        guard memberPositions != nil else { return }
        path.append(name)
        memberPositions?[path.joined(separator: ".")] = start
    }

    /// The value that a one-member object with a `$` name stands for.
    private func tagged(_ entries: [MessagePackValue.Entry]) throws(CacheError) -> MessagePackValue? {
        guard entries.count == 1, let entry = entries.first, case .string(let text) = entry.value else { return nil }
        switch entry.key {
        case "$bytes":
            guard let bytes = HexText.bytes(text) else {
                throw failure("$bytes is not an even number of hex digits")
            }
            return .bytes(bytes)
        case "$float":
            guard let float = Double(text) else { throw failure("$float is not a number, inf, -inf or nan") }
            return .double(float)
        case let name where name.utf8.starts(with: "$$".utf8):
            return .map([MessagePackValue.Entry(key: String(Substring(name.utf8.dropFirst())), value: entry.value)])
        default: return nil
        }
    }

    /// Steps over the opening bracket.
    private mutating func enter(_ depth: Int) throws(CacheError) {
        guard depth < Self.maximumDepth else { throw failure("it is nested deeper than \(Self.maximumDepth) levels") }
        position += 1
    }

    private mutating func array(depth: Int) throws(CacheError) -> MessagePackValue {
        try enter(depth)
        var elements: [MessagePackValue] = []
        skipWhiteSpace()
        if take("]") { return .array([]) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipWhiteSpace()
        } while take(",")
        guard take("]") else { throw failure("a comma or closing bracket is expected") }
        return .array(elements)
    }

    private mutating func literal(_ text: StaticString, _ value: MessagePackValue) throws(CacheError)
        -> MessagePackValue
    {
        let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard bytes[position...].starts(with: expected) else { throw failure("a value is expected") }
        position += expected.count
        return value
    }

    private mutating func number() throws(CacheError) -> MessagePackValue {
        let start = position
        _ = take("-")
        let firstDigit = position
        try digits()
        if bytes[firstDigit] == UInt8(ascii: "0"), position - firstDigit > 1 { throw failure("a number starts with 0") }
        var isInteger = true
        if take(".") {
            isInteger = false
            try digits()
        }
        if take("e") || take("E") {
            isInteger = false
            if !take("-") { _ = take("+") }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger {
            if let value = Int64(text) { return .int(value) }
            if let value = UInt64(text) { return .uint(value) }
            throw failure("an integer lies outside -2^63 ... 2^64-1")
        }
        guard let value = Double(text), value.isFinite else { throw failure("a number is too large for a float") }
        return .double(value)
    }

    private mutating func digits() throws(CacheError) {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        guard position > start else { throw failure("a value is expected") }
    }

    private mutating func string() throws(CacheError) -> String {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw failure("a string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw failure("a string holds a control character; escape it")
            default: text.append(byte)
            }
        }
        throw failure("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(CacheError) {
        guard position < bytes.count else { throw failure("a string does not end") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var code = try codeUnit()
            if (0xD800..<0xDC00).contains(code), take("\\"), take("u") {
                let low = try codeUnit()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("half a surrogate pair is missing") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair is missing") }
            text.append(contentsOf: Array(String(Character(scalar)).utf8))
        default: throw failure("an escape is not one of JSON's")
        }
    }

    private mutating func codeUnit() throws(CacheError) -> UInt32 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("four hex digits are expected") }
        position += 4
        return code
    }

    private mutating func skipWhiteSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private func failure(_ problem: String) -> CacheError {
        CacheError(.decoding, "the JSON is not well formed at byte \(position): \(problem)")
    }
}
