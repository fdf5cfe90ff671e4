/// The array of a value being decoded.
struct UnkeyedDecodingReader: UnkeyedDecodingContainer {
    let node: DecodingNode
    let elements: Int
    private(set) var currentIndex = 0
    private var position: Int

    init(node: DecodingNode, elements: Int, position: Int) {
        self.node = node
        self.elements = elements
        self.position = position
    }

    var codingPath: [any CodingKey] { node.codingPath }

    var count: Int? { elements }

    var isAtEnd: Bool { currentIndex == elements }

    mutating func decodeNil() throws -> Bool {
        try checkEnd()
        guard node.document.isNil(at: position) else { return false }
        advance(to: position + 1)
        return true
    }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try checkEnd()
        let value = try node.document.decode(
            type, at: position, parent: node, key: NamedCodingKey(index: currentIndex))
        advance(to: node.document.end(ofValueAt: position))
        return value
    }

    mutating func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type
    ) throws -> KeyedDecodingContainer<NestedKey> {
        let container = try child().container(keyedBy: type)
        advance(to: node.document.end(ofValueAt: position))
        return container
    }

    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
        let container = try child().unkeyedContainer()
        advance(to: node.document.end(ofValueAt: position))
        return container
    }

    mutating func superDecoder() throws -> any Decoder {
        let decoder = try child()
        advance(to: node.document.end(ofValueAt: position))
        return decoder
    }

    private func child() throws -> DecodingNode {
        try checkEnd()
        return try DecodingNode(
            document: node.document, position: position, parent: node, key: NamedCodingKey(index: currentIndex))
    }

    private func checkEnd() throws {
        guard currentIndex < elements else {
            throw DecodingError.valueNotFound(
                Any.self, .init(codingPath: codingPath, debugDescription: "the array has no further element"))
        }
    }

    private mutating func advance(to next: Int) {
        position = next
        currentIndex += 1
    }

    @inline(__always)
    private mutating func scalar<Value>(
        _ read: (inout MessagePackCursor) throws(MessagePackFault) -> Value
    ) throws -> Value {
        try checkEnd()
        var cursor = node.document.cursor(at: position)
        do throws(MessagePackFault) {
            let value = try read(&cursor)
            advance(to: cursor.position)
            return value
        } catch {
            throw node.document.failure(
                error, Value.self, at: position, parent: node, key: NamedCodingKey(index: currentIndex))
        }
    }

    mutating func decode(_ type: Bool.Type) throws -> Bool {
        try scalar { cursor throws(MessagePackFault) in try cursor.readBool() }
    }

    mutating func decode(_ type: String.Type) throws -> String {
        try scalar { cursor throws(MessagePackFault) in try cursor.readString() }
    }

    mutating func decode(_ type: Double.Type) throws -> Double {
        try scalar { cursor throws(MessagePackFault) in try cursor.readDouble() }
    }

    mutating func decode(_ type: Float.Type) throws -> Float {
        try scalar { cursor throws(MessagePackFault) in Float(try cursor.readDouble()) }
    }

    mutating func decode(_ type: Int.Type) throws -> Int {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int.self) }
    }

    mutating func decode(_ type: Int8.Type) throws -> Int8 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int8.self) }
    }

    mutating func decode(_ type: Int16.Type) throws -> Int16 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int16.self) }
    }

    mutating func decode(_ type: Int32.Type) throws -> Int32 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int32.self) }
    }

    mutating func decode(_ type: Int64.Type) throws -> Int64 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int64.self) }
    }

    mutating func decode(_ type: UInt.Type) throws -> UInt {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt.self) }
    }

    mutating func decode(_ type: UInt8.Type) throws -> UInt8 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt8.self) }
    }

    mutating func decode(_ type: UInt16.Type) throws -> UInt16 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt16.self) }
    }

    mutating func decode(_ type: UInt32.Type) throws -> UInt32 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt32.self) }
    }

    mutating func decode(_ type: UInt64.Type) throws -> UInt64 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt64.self) }
    }
}
