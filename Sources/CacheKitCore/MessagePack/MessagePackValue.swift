/// Any MessagePack value of the protocol, for bytes whose type is not known: the command line, tests, tools.
public enum MessagePackValue: Hashable, Sendable {
    /// Nil.
    case `nil`
    /// A boolean.
    case bool(Bool)
    /// An integer that fits 64 bits with a sign; the form of every integer up to `Int64.max`.
    case int(Int64)
    /// An integer above `Int64.max`.
    case uint(UInt64)
    /// A float; float32 is widened.
    case double(Double)
    /// A string.
    case string(String)
    /// A byte string.
    case bytes([UInt8])
    /// An array.
    case array([MessagePackValue])
    /// A map in the order of its document; keys are strings.
    case map([Entry])

    /// One pair of a map.
    public struct Entry: Hashable, Sendable {
        /// The key.
        public var key: String
        /// The value.
        public var value: MessagePackValue

        /// A pair.
        public init(key: String, value: MessagePackValue) {
            self.key = key
            self.value = value
        }
    }

    /// An integer in its one form: `int` where it fits, else `uint`.
    public static func integer(_ value: UInt64) -> MessagePackValue {
        Int64(exactly: value).map { .int($0) } ?? .uint(value)
    }

    /// The first value under a key; `nil` where there is none, or this is not a map. O(entries).
    public subscript(key: String) -> MessagePackValue? {
        guard case .map(let entries) = self else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// Decodes exactly one document, within the bounds of protocol section 3.
    ///
    /// - Throws: ``CacheError/Code/decoding``, also for a map key that is not a string.
    public init(
        decoding bytes: [UInt8], maximumDepth: Int = MessagePackDecoder.defaultMaximumDepth
    ) throws(CacheError) {
        self = try MessagePackReader.withBytes(bytes, maximumDepth: maximumDepth) {
            (reader: inout MessagePackReader) throws(CacheError) in
            try MessagePackValue(from: &reader)
        }
    }

    /// One MessagePack document.
    ///
    /// - Parameter canonical: map keys sorted by UTF-8 bytes at every level, a key twice is an error (interop mode).
    /// - Throws: ``CacheError/Code/encoding``.
    public func encoded(canonical: Bool = false) throws(CacheError) -> [UInt8] {
        var writer = MessagePackWriter()
        try encode(to: &writer)
        let bytes = try writer.finish()
        return canonical ? try MessagePackCanonicalizer.canonicalize(bytes) : bytes
    }
}

extension MessagePackValue: MessagePackEncodable {
    /// Writes the value, map entries in their order.
    public func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        try encode(to: &writer, level: 0)
    }

    private func encode(to writer: inout MessagePackWriter, level: Int) throws(CacheError) {
        guard level <= MessagePackDecoder.greatestMaximumDepth else {
            throw CacheError(.encoding, "the value is nested too deeply; no reader would accept it")
        }
        switch self {
        case .nil: writer.writeNil()
        case .bool(let value): writer.write(value)
        case .int(let value): writer.write(value)
        case .uint(let value): writer.write(value)
        case .double(let value): writer.write(value)
        case .string(let value): writer.write(value)
        case .bytes(let value): writer.write(bytes: value)
        case .array(let elements):
            writer.writeArrayHeader(count: elements.count)
            for element in elements { try element.encode(to: &writer, level: level + 1) }
        case .map(let entries):
            writer.writeMapHeader(count: entries.count)
            for entry in entries {
                writer.write(entry.key)
                try entry.value.encode(to: &writer, level: level + 1)
            }
        }
    }
}

extension MessagePackValue: MessagePackDecodable {
    /// Reads one value with all that it holds.
    public init(from reader: inout MessagePackReader) throws(CacheError) {
        do throws(MessagePackFault) {
            self = try Self.read(&reader.cursor)
        } catch {
            throw error.error
        }
    }

    // The scanner has bounded the recursion and every count.
    private static func read(_ cursor: inout MessagePackCursor) throws(MessagePackFault) -> MessagePackValue {
        switch try cursor.peek() {
        case 0xC0:
            cursor.position += 1
            return .nil
        case 0xC2, 0xC3: return .bool(try cursor.readBool())
        case 0xCA, 0xCB: return .double(try cursor.readDouble())
        case 0xCF: return .integer(try cursor.readInteger(UInt64.self))
        case 0xA0...0xBF, 0xD9...0xDB: return .string(try cursor.readString())
        case 0xC4...0xC6: return .bytes([UInt8](try cursor.readBinary()))
        case 0x90...0x9F, 0xDC, 0xDD:
            let count = try cursor.readArrayHeader()
            var elements: [MessagePackValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(try read(&cursor)) }
            return .array(elements)
        case 0x80...0x8F, 0xDE, 0xDF:
            let count = try cursor.readMapHeader()
            var entries: [Entry] = []
            entries.reserveCapacity(count)
            for _ in 0..<count {
                guard let key = try? cursor.readString() else { throw .keyNotString }
                entries.append(Entry(key: key, value: try read(&cursor)))
            }
            return .map(entries)
        default: return .int(try cursor.readInteger(Int64.self))
        }
    }
}
