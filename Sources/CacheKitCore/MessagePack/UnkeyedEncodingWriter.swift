/// The array of a value being encoded.
struct UnkeyedEncodingWriter: UnkeyedEncodingContainer {
    let node: EncodingNode

    var codingPath: [any CodingKey] { node.codingPath }

    var count: Int { node.elements }

    mutating func encodeNil() throws {
        try node.beginElement()
        node.output.writer.writeNil()
    }

    mutating func encode<Value: Encodable>(_ value: Value) throws {
        try node.beginElement()
        try node.output.encode(value, parent: node, key: NamedCodingKey(index: count - 1))
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy keyType: NestedKey.Type
    ) -> KeyedEncodingContainer<NestedKey> {
        child().container(keyedBy: keyType)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        child().unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder {
        child()
    }

    private func child() -> EncodingNode {
        do {
            try node.beginElement()
        } catch {
            node.output.fault = node.output.fault ?? error
        }
        return node.deferredChild(key: NamedCodingKey(index: count - 1))
    }

    mutating func encode(_ value: Bool) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: String) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Double) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Float) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int8) throws {
        try node.beginElement()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int16) throws {
        try node.beginElement()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int32) throws {
        try node.beginElement()
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int64) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }

    mutating func encode(_ value: UInt) throws {
        try node.beginElement()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt8) throws {
        try node.beginElement()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt16) throws {
        try node.beginElement()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt32) throws {
        try node.beginElement()
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt64) throws {
        try node.beginElement()
        node.output.writer.write(value)
    }
}
