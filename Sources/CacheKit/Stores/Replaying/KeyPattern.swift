/// A glob over key names, as Redis' `MATCH` has it (https://redis.io/docs/latest/commands/keys/): `*` any bytes, `?` one,
/// `[a-c]` one of these, `[^a]` one of all others, and `\` takes the next one as it is.
///
/// Bytes are those of UTF-8. Matching takes at most as many steps as the name is long times the pattern, whatever they are.
public struct KeyPattern: Sendable, Equatable, CustomStringConvertible {
    private enum Element: Sendable, Equatable {
        case anything
        case any
        case byte(UInt8)
        case oneOf([ClosedRange<UInt8>], isExcluding: Bool)

        func matches(_ byte: UInt8) -> Bool {
            switch self {
            case .anything, .any: true
            case .byte(let own): own == byte
            case .oneOf(let ranges, let isExcluding): ranges.contains { $0.contains(byte) } != isExcluding
            }
        }
    }

    /// The pattern as it was written.
    public let text: String
    private let elements: [Element]

    /// A pattern; one that ends within brackets or after a backslash takes these as bytes, as Redis does.
    public init(_ text: String) {
        self.text = text
        var elements: [Element] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "*"): if elements.last != .anything { elements.append(.anything) }
            case UInt8(ascii: "?"): elements.append(.any)
            case UInt8(ascii: "["): elements.append(Self.oneOf(&rest))
            case UInt8(ascii: "\\"): elements.append(.byte(rest.popFirst() ?? byte))
            default: elements.append(.byte(byte))
            }
        }
        self.elements = elements
    }

    /// The pattern as it was written.
    public var description: String { text }

    private static func oneOf(_ rest: inout ArraySlice<UInt8>) -> Element {
        var ranges: [ClosedRange<UInt8>] = []
        let isExcluding = rest.first == UInt8(ascii: "^")
        if isExcluding { rest.removeFirst() }
        while let byte = rest.popFirst(), byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                ranges.append(escaped...escaped)
            } else if rest.first == UInt8(ascii: "-"), let end = rest.dropFirst().first {
                rest.removeFirst(2)
                ranges.append(min(byte, end)...max(byte, end))
            } else {
                ranges.append(byte...byte)
            }
        }
        return .oneOf(ranges, isExcluding: isExcluding)
    }

    /// Whether a name is meant.
    public func matches(_ name: String) -> Bool {
        var name = name
        return name.withUTF8 { bytes in
            var (place, element) = (0, 0)
            // Where the last `*` stands, and up to where it has taken the name: only that one is ever tried again.
            var star: (element: Int, place: Int)?
            while place < bytes.count {
                if element < elements.count, elements[element] == .anything {
                    star = (element, place)
                    element += 1
                } else if element < elements.count, elements[element].matches(bytes[place]) {
                    element += 1
                    place += 1
                } else if let last = star {
                    star = (last.element, last.place + 1)
                    element = last.element + 1
                    place = last.place + 1
                } else {
                    return false
                }
            }
            return elements[element...].allSatisfy { $0 == .anything }
        }
    }
}
