/// The map of a value being decoded.
struct KeyedDecodingReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let node: DecodingNode
    let map: KeyedEntries

    var codingPath: [any CodingKey] { node.codingPath }

    var allKeys: [Key] { map.keys().compactMap { Key(stringValue: $0) } }

    func contains(_ key: Key) -> Bool {
        map.find(key.stringValue) != nil
    }

    func decodeNil(forKey key: Key) throws -> Bool {
        node.document.isNil(at: try position(key))
    }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try node.document.decode(type, at: try position(key), parent: node, key: key)
    }

    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
        guard let position = map.find(key.stringValue), !node.document.isNil(at: position) else { return nil }
        return try node.document.decode(type, at: position, parent: node, key: key)
    }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) throws -> KeyedDecodingContainer<NestedKey> {
        try child(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try child(key).unkeyedContainer()
    }

    func superDecoder() throws -> any Decoder {
        let key = NamedCodingKey.super
        return try DecodingNode(
            document: node.document, position: map.find(key.stringValue), parent: node, key: key)
    }

    func superDecoder(forKey key: Key) throws -> any Decoder {
        try DecodingNode(document: node.document, position: map.find(key.stringValue), parent: node, key: key)
    }

    private func child(_ key: Key) throws -> DecodingNode {
        try DecodingNode(document: node.document, position: try position(key), parent: node, key: key)
    }

    @inline(__always)
    private func position(_ key: Key) throws -> Int {
        guard let position = map.find(key.stringValue) else {
            throw DecodingError.keyNotFound(
                key, .init(codingPath: codingPath, debugDescription: "the map has no such key"))
        }
        return position
    }

    @inline(__always)
    private func scalar<Value>(
        _ key: Key, _ read: (inout MessagePackCursor) throws(MessagePackFault) -> Value
    ) throws -> Value {
        try node.document.scalar(at: try position(key), parent: node, key: key, read)
    }

    @inline(__always)
    private func optionalScalar<Value>(
        _ key: Key, _ read: (inout MessagePackCursor) throws(MessagePackFault) -> Value
    ) throws -> Value? {
        guard let position = map.find(key.stringValue), !node.document.isNil(at: position) else { return nil }
        return try node.document.scalar(at: position, parent: node, key: key, read)
    }

    func decode(_ type: Bool.Type, forKey key: Key) throws -> Bool {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readBool() }
    }

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readBool() }
    }

    func decode(_ type: String.Type, forKey key: Key) throws -> String {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readString() }
    }

    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readString() }
    }

    func decode(_ type: Double.Type, forKey key: Key) throws -> Double {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readDouble() }
    }

    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readDouble() }
    }

    func decode(_ type: Float.Type, forKey key: Key) throws -> Float {
        try scalar(key) { cursor throws(MessagePackFault) in Float(try cursor.readDouble()) }
    }

    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in Float(try cursor.readDouble()) }
    }

    func decode(_ type: Int.Type, forKey key: Key) throws -> Int {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int.self) }
    }

    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int.self) }
    }

    func decode(_ type: Int8.Type, forKey key: Key) throws -> Int8 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int8.self) }
    }

    func decodeIfPresent(_ type: Int8.Type, forKey key: Key) throws -> Int8? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int8.self) }
    }

    func decode(_ type: Int16.Type, forKey key: Key) throws -> Int16 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int16.self) }
    }

    func decodeIfPresent(_ type: Int16.Type, forKey key: Key) throws -> Int16? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int16.self) }
    }

    func decode(_ type: Int32.Type, forKey key: Key) throws -> Int32 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int32.self) }
    }

    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int32.self) }
    }

    func decode(_ type: Int64.Type, forKey key: Key) throws -> Int64 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int64.self) }
    }

    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(Int64.self) }
    }

    func decode(_ type: UInt.Type, forKey key: Key) throws -> UInt {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt.self) }
    }

    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt.self) }
    }

    func decode(_ type: UInt8.Type, forKey key: Key) throws -> UInt8 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt8.self) }
    }

    func decodeIfPresent(_ type: UInt8.Type, forKey key: Key) throws -> UInt8? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt8.self) }
    }

    func decode(_ type: UInt16.Type, forKey key: Key) throws -> UInt16 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt16.self) }
    }

    func decodeIfPresent(_ type: UInt16.Type, forKey key: Key) throws -> UInt16? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt16.self) }
    }

    func decode(_ type: UInt32.Type, forKey key: Key) throws -> UInt32 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt32.self) }
    }

    func decodeIfPresent(_ type: UInt32.Type, forKey key: Key) throws -> UInt32? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt32.self) }
    }

    func decode(_ type: UInt64.Type, forKey key: Key) throws -> UInt64 {
        try scalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt64.self) }
    }

    func decodeIfPresent(_ type: UInt64.Type, forKey key: Key) throws -> UInt64? {
        try optionalScalar(key) { cursor throws(MessagePackFault) in try cursor.readInteger(UInt64.self) }
    }
}
