/// The map of a value being encoded.
struct KeyedEncodingWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: EncodingNode

    var codingPath: [any CodingKey] { node.codingPath }

    mutating func encodeNil(forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.writeNil()
    }

    mutating func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws {
        try node.beginEntry(key)
        try node.output.encode(value, parent: node, key: key)
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy keyType: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        child(key).container(keyedBy: keyType)
    }

    mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        child(key).unkeyedContainer()
    }

    mutating func superEncoder() -> any Encoder {
        child(NamedCodingKey.super)
    }

    mutating func superEncoder(forKey key: Key) -> any Encoder {
        child(key)
    }

    private func child(_ key: some CodingKey) -> EncodingNode {
        do {
            try node.beginEntry(key)
        } catch {
            node.output.fault = node.output.fault ?? error
        }
        return node.deferredChild(key: key)
    }

    mutating func encode(_ value: Bool, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: String, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Double, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Float, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: Int8, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int16, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int32, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(Int64(value))
    }

    mutating func encode(_ value: Int64, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }

    mutating func encode(_ value: UInt, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt8, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt16, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt32, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(UInt64(value))
    }

    mutating func encode(_ value: UInt64, forKey key: Key) throws {
        try node.beginEntry(key)
        node.output.writer.write(value)
    }
}
