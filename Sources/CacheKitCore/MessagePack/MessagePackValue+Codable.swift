extension MessagePackValue: Codable {
    /// For any encoder; ``MessagePackEncoder`` uses the direct way instead.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .array(let elements):
            var container = encoder.unkeyedContainer()
            for element in elements { try container.encode(element) }
        case .map(let entries):
            var container = encoder.container(keyedBy: NamedCodingKey.self)
            for entry in entries { try container.encode(entry.value, forKey: NamedCodingKey(stringValue: entry.key)) }
        default:
            var container = encoder.singleValueContainer()
            try encodeScalar(to: &container)
        }
    }

    private func encodeScalar(to container: inout any SingleValueEncodingContainer) throws {
        switch self {
        case .nil, .array, .map: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .uint(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .bytes(let value): try container.encode(value)
        }
    }

    /// For any decoder; ``MessagePackDecoder`` uses the direct way instead. Byte strings come back as arrays of integers
    /// from formats that have none.
    public init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: NamedCodingKey.self) {
            self = .map(
                try container.allKeys.map { key in
                    Entry(key: key.stringValue, value: try container.decode(MessagePackValue.self, forKey: key))
                })
        } else if var container = try? decoder.unkeyedContainer() {
            var elements: [MessagePackValue] = []
            while !container.isAtEnd { elements.append(try container.decode(MessagePackValue.self)) }
            self = .array(elements)
        } else {
            self = try Self.scalar(in: try decoder.singleValueContainer())
        }
    }

    private static func scalar(in container: any SingleValueDecodingContainer) throws -> MessagePackValue {
        if container.decodeNil() { return .nil }
        if let value = try? container.decode(Bool.self) { return .bool(value) }
        if let value = try? container.decode(Int64.self) { return .int(value) }
        if let value = try? container.decode(UInt64.self) { return .uint(value) }
        if let value = try? container.decode(Double.self) { return .double(value) }
        return .string(try container.decode(String.self))
    }
}
