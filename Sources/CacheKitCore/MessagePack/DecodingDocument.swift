/// A validated document that the containers of one decoding share; it keeps the bytes alive, however long a container
/// is kept.
final class DecodingDocument {
    private let owner: [UInt8]
    private let base: UnsafeRawPointer
    private let end: Int
    let userInfo: [CodingUserInfoKey: any Sendable]

    /// - Parameter cursor: over the storage of `owner`, which stays where it is while it is retained and not mutated.
    init(owner: [UInt8], cursor: MessagePackCursor, userInfo: [CodingUserInfoKey: any Sendable]) {
        self.owner = owner
        base = cursor.base
        end = cursor.end
        self.userInfo = userInfo
    }

    @inline(__always)
    func cursor(at position: Int) -> MessagePackCursor {
        MessagePackCursor(base: base, position: position, end: end)
    }

    func isNil(at position: Int) -> Bool {
        (try? cursor(at: position).peek()) == 0xC0
    }

    func end(ofValueAt position: Int) -> Int {
        var cursor = cursor(at: position)
        // Can't fail: positions are starts of values, and the document is validated.
        try? cursor.skip()
        return cursor.position
    }

    @inline(__always)
    func scalar<Value>(
        at position: Int, parent: DecodingNode, key: (any CodingKey)?,
        _ read: (inout MessagePackCursor) throws(MessagePackFault) -> Value
    ) throws -> Value {
        var cursor = cursor(at: position)
        do throws(MessagePackFault) {
            return try read(&cursor)
        } catch {
            throw failure(error, Value.self, at: position, parent: parent, key: key)
        }
    }

    func decode<Value: Decodable>(
        _ type: Value.Type, at position: Int, parent: DecodingNode?, key: (any CodingKey)?
    ) throws -> Value {
        if let type = type as? any MessagePackDecodable.Type {
            let limit = end(ofValueAt: position)
            var reader = MessagePackReader(
                cursor: MessagePackCursor(base: base, position: position, end: limit), owner: owner)
            let value: any MessagePackDecodable
            do throws(CacheError) {
                value = try type.init(from: &reader)
            } catch {
                // The reader does not know where it is; say it here.
                let path = (parent?.codingPath ?? []) + (key.map { [$0] } ?? [])
                throw DecodingError.typeMismatch(
                    type, .init(codingPath: path, debugDescription: error.message, underlyingError: error))
            }
            guard reader.isAtEnd else { throw MessagePackFault.unconsumed.error }
            // `type` is `Value`, so the cast holds.
            if let value = value as? Value { return value }
        }
        return try Value(from: DecodingNode(document: self, position: position, parent: parent, key: key))
    }

    @inline(never)
    func failure(
        _ fault: MessagePackFault, _ type: any Any.Type, at position: Int, parent: DecodingNode?, key: (any CodingKey)?
    ) -> DecodingError {
        let path = (parent?.codingPath ?? []) + (key.map { [$0] } ?? [])
        let context = DecodingError.Context(codingPath: path, debugDescription: fault.message)
        switch fault {
        case .outOfRange: return .dataCorrupted(context)
        default: return isNil(at: position) ? .valueNotFound(type, context) : .typeMismatch(type, context)
        }
    }
}
