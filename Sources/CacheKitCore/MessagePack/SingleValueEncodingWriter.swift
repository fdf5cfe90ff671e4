/// The one value that a value encodes itself as.
struct SingleValueEncodingWriter: SingleValueEncodingContainer {
    let node: EncodingNode

    var codingPath: [any CodingKey] { node.codingPath }

    mutating func encodeNil() throws {
        try node.beginSingle()
        node.output.writer.writeNil()
    }

    mutating func encode<Value: Encodable>(_ value: Value) throws {
        try node.beginSingle()
        try node.output.encode(value, parent: node, key: nil)
    }

    mutating func encode(_ value: Bool) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: String) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Double) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Float) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int8) throws {
        try node.beginSingle()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int16) throws {
        try node.beginSingle()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int32) throws {
        try node.beginSingle()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int64) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: UInt) throws {
        try node.beginSingle()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt8) throws {
        try node.beginSingle()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt16) throws {
        try node.beginSingle()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt32) throws {
        try node.beginSingle()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt64) throws {
        try node.beginSingle()
        node.output.writer.write(value)
    }
}
