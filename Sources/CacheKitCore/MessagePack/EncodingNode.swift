/// One value being encoded: Codable's `Encoder`, and the state that all containers of this value share.
///
/// Containers write straight into the output behind one reserved header byte, corrected by ``close()``. Children made by
/// `nestedContainer` and `superEncoder` may be filled at any later time, so they write into outputs of their own,
/// which ``close()`` splices in.
final class EncodingNode: Encoder {
    enum Kind {
        case undecided
        case keyed
        case unkeyed
        case single
    }

    private struct Deferred {
        let offset: Int
        let child: EncodingNode
    }

    let output: EncodingOutput
    private let parent: EncodingNode?
    private let key: (any CodingKey)?
    let depth: Int
    private(set) var kind = Kind.undecided
    private(set) var elements = 0
    private var start = 0
    private var deferred: [Deferred] = []

    init(output: EncodingOutput, parent: EncodingNode?, key: (any CodingKey)?) {
        self.output = output
        self.parent = parent
        self.key = key
        depth = (parent?.depth ?? 0) + 1
    }

    var userInfo: [CodingUserInfoKey: Any] { output.userInfo }

    var codingPath: [any CodingKey] {
        var path: [any CodingKey] = []
        var node: EncodingNode? = self
        while let current = node {
            if let key = current.key { path.append(key) }
            node = current.parent
        }
        return path.reversed()
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        open(as: .keyed)
        return KeyedEncodingContainer(KeyedEncodingWriter<Key>(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        open(as: .unkeyed)
        return UnkeyedEncodingWriter(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer {
        SingleValueEncodingWriter(node: self)
    }

    private func open(as wanted: Kind) {
        if kind == wanted { return }
        guard kind == .undecided, output.innermost == ObjectIdentifier(self) else {
            output.fault = output.fault ?? misuse()
            return
        }
        kind = wanted
        start = output.writer.openContainer()
    }

    func misuse() -> EncodingError {
        EncodingError.invalidValue(
            EncodingNode.self,
            .init(
                codingPath: codingPath,
                debugDescription: "a container was used out of turn; use each within its encode(to:), one kind a value")
        )
    }

    /// Before an entry of a keyed container.
    @inline(__always)
    func beginEntry(_ key: some CodingKey) throws {
        guard output.innermost == ObjectIdentifier(self), kind == .keyed else { throw misuse() }
        elements += 1
        output.writer.write(key.stringValue)
    }

    /// Before an element of an unkeyed container.
    @inline(__always)
    func beginElement() throws {
        guard output.innermost == ObjectIdentifier(self), kind == .unkeyed else { throw misuse() }
        elements += 1
    }

    /// Before the one value of a single-value container.
    @inline(__always)
    func beginSingle() throws {
        guard output.innermost == ObjectIdentifier(self), kind == .undecided else { throw misuse() }
        kind = .single
    }

    /// A child that may be filled later than what follows it here.
    func deferredChild(key: any CodingKey) -> EncodingNode {
        let own = EncodingOutput(userInfo: output.userInfo)
        let child = EncodingNode(output: own, parent: self, key: key)
        own.innermost = ObjectIdentifier(child)
        if child.depth > MessagePackEncoder.maximumContainerDepth {
            output.fault = output.fault ?? child.misuse()
        }
        deferred.append(Deferred(offset: output.writer.count, child: child))
        return child
    }

    /// Completes the value: the children's bytes, then the header. A value that encoded nothing is an empty map, as
    /// Foundation's coders have it.
    func close() throws {
        switch kind {
        case .single: return
        case .undecided: open(as: .keyed)
        case .keyed, .unkeyed: break
        }
        if !deferred.isEmpty { try splice() }
        output.writer.closeContainer(at: start, elements: elements, isMap: kind == .keyed)
    }

    private func splice() throws {
        let bytes = output.writer.written(from: start + 1)
        let base = start + 1
        output.writer.count = base
        var copied = 0
        try bytes.withUnsafeBytes { source in
            for entry in deferred {
                let until = entry.offset - base
                output.writer.appendEncoded(UnsafeRawBufferPointer(rebasing: source[copied..<until]))
                copied = until
                let child = entry.child
                try child.close()
                if let fault = child.output.fault { throw fault }
                child.output.innermost = nil
                let encoded = try child.output.finish()
                encoded.withUnsafeBytes { output.writer.appendEncoded($0) }
            }
            output.writer.appendEncoded(UnsafeRawBufferPointer(rebasing: source[copied...]))
        }
        deferred = []
    }
}
