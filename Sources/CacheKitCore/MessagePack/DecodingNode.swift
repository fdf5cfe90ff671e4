/// One value being decoded: Codable's `Decoder`.
final class DecodingNode: Decoder {
    let document: DecodingDocument
    /// Where the value starts; `nil` for a `superDecoder` whose key is absent, which reads as nil.
    private let position: Int?
    private let parent: DecodingNode?
    private let key: (any CodingKey)?
    private let depth: Int

    init(
        document: DecodingDocument, position: Int?, parent: DecodingNode?, key: (any CodingKey)?
    ) throws {
        self.document = document
        self.position = position
        self.parent = parent
        self.key = key
        depth = (parent?.depth ?? 0) + 1
        guard depth <= MessagePackEncoder.maximumContainerDepth else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: [], debugDescription: "nested too deeply; flatten the type"))
        }
    }

    var userInfo: [CodingUserInfoKey: Any] { document.userInfo }

    var codingPath: [any CodingKey] {
        var path: [any CodingKey] = []
        var node: DecodingNode? = self
        while let current = node {
            if let key = current.key { path.append(key) }
            node = current.parent
        }
        return path.reversed()
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        var cursor = document.cursor(at: try present())
        let count: Int
        do throws(MessagePackFault) {
            count = try cursor.readMapHeader()
        } catch {
            throw document.failure(error, [String: Any].self, at: cursor.position, parent: self, key: nil)
        }
        let map = KeyedEntries(first: cursor, count: count)
        return KeyedDecodingContainer(KeyedDecodingReader<Key>(node: self, map: map))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        var cursor = document.cursor(at: try present())
        do throws(MessagePackFault) {
            let count = try cursor.readArrayHeader()
            return UnkeyedDecodingReader(node: self, elements: count, position: cursor.position)
        } catch {
            throw document.failure(error, [Any].self, at: cursor.position, parent: self, key: nil)
        }
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        SingleValueDecodingReader(node: self, position: try present())
    }

    private func present() throws -> Int {
        guard let position else {
            throw DecodingError.valueNotFound(
                Any.self, .init(codingPath: codingPath, debugDescription: "the key is absent"))
        }
        return position
    }
}
