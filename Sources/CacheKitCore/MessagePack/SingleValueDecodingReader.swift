/// The one value that a value decodes itself from.
struct SingleValueDecodingReader: SingleValueDecodingContainer {
    let node: DecodingNode
    let position: Int

    var codingPath: [any CodingKey] { node.codingPath }

    func decodeNil() -> Bool {
        node.document.isNil(at: position)
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try node.document.decode(type, at: position, parent: node, key: nil)
    }

    @inline(__always)
    private func scalar<Value>(
        _ read: (inout MessagePackCursor) throws(MessagePackFault) -> Value
    ) throws -> Value {
        try node.document.scalar(at: position, parent: node, key: nil, read)
    }

    func decode(_ type: Bool.Type) throws -> Bool {
        try scalar { cursor throws(MessagePackFault) in try cursor.readBool() }
    }

    func decode(_ type: String.Type) throws -> String {
        try scalar { cursor throws(MessagePackFault) in try cursor.readString() }
    }

    func decode(_ type: Double.Type) throws -> Double {
        try scalar { cursor throws(MessagePackFault) in try cursor.readDouble() }
    }

    func decode(_ type: Float.Type) throws -> Float {
        try scalar { cursor throws(MessagePackFault) in Float(try cursor.readDouble()) }
    }

    func decode(_ type: Int.Type) throws -> Int {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int.self) }
    }

    func decode(_ type: Int8.Type) throws -> Int8 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int8.self) }
    }

    func decode(_ type: Int16.Type) throws -> Int16 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int16.self) }
    }

    func decode(_ type: Int32.Type) throws -> Int32 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int32.self) }
    }

    func decode(_ type: Int64.Type) throws -> Int64 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(Int64.self) }
    }

    func decode(_ type: UInt.Type) throws -> UInt {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt.self) }
    }

    func decode(_ type: UInt8.Type) throws -> UInt8 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt8.self) }
    }

    func decode(_ type: UInt16.Type) throws -> UInt16 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt16.self) }
    }

    func decode(_ type: UInt32.Type) throws -> UInt32 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt32.self) }
    }

    func decode(_ type: UInt64.Type) throws -> UInt64 {
        try scalar { cursor throws(MessagePackFault) in try cursor.readInteger(UInt64.self) }
    }
}
