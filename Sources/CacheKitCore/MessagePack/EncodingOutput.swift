/// The buffer that strictly nested containers write into, in place.
///
/// Only the innermost open node may write; anything else (a container kept beyond its `encode(to:)`, or used while a
/// nested value is being encoded) would garble the bytes, and is refused.
final class EncodingOutput {
    var writer = MessagePackWriter()
    /// The node that may write now. An identifier, so that a node and its own output form no cycle; the node is alive
    /// while it stands here, because its `encode(to:)` is running or its parent holds it.
    var innermost: ObjectIdentifier?
    /// The first misuse seen in a call that can't throw.
    var fault: (any Error)?
    let userInfo: [CodingUserInfoKey: any Sendable]

    init(userInfo: [CodingUserInfoKey: any Sendable]) {
        self.userInfo = userInfo
    }

    func encode<Value: Encodable>(_ value: Value, parent: EncodingNode?, key: (any CodingKey)?) throws {
        if let value = value as? any MessagePackEncodable {
            let awaited = writer.awaited
            try value.encode(to: &writer)
            // The surrounding container counts for itself; here exactly one value was due.
            try writer.checkCompleteness(awaiting: awaited - 1)
            writer.awaited = awaited
            return
        }
        let node = EncodingNode(output: self, parent: parent, key: key)
        guard node.depth <= MessagePackEncoder.maximumContainerDepth else {
            throw EncodingError.invalidValue(
                Value.self, .init(codingPath: node.codingPath, debugDescription: "nested too deeply; flatten the type"))
        }
        let outer = innermost
        innermost = ObjectIdentifier(node)
        defer { innermost = outer }
        try value.encode(to: node)
        try node.close()
    }

    /// The bytes written.
    func finish() throws(CacheError) -> [UInt8] {
        try writer.checkCompleteness(awaiting: writer.awaited)
        return writer.written(from: 0)
    }
}
