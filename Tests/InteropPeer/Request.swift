import CacheKit

/// A request's members, each read as the type that it must have.
struct Request {
    private let members: MessagePackValue

    init(_ members: MessagePackValue) {
        self.members = members
    }

    static func malformed(_ name: String) -> CacheError {
        CacheError(.invalidArgument, "the request's member '\(name)' is missing or of another type")
    }

    func member(_ name: String) throws(CacheError) -> MessagePackValue {
        guard let value = members[name] else { throw Self.malformed(name) }
        return value
    }

    func optional(_ name: String) -> MessagePackValue? { members[name] }

    func string(_ name: String) throws(CacheError) -> String {
        guard case .string(let value) = try member(name) else { throw Self.malformed(name) }
        return value
    }

    func optionalString(_ name: String) throws(CacheError) -> String? {
        switch members[name] {
        case nil, .nil?: nil
        default: try string(name)
        }
    }

    func strings(_ name: String) throws(CacheError) -> [String] {
        guard let value = members[name] else { return [] }
        guard case .array(let elements) = value else { throw Self.malformed(name) }
        var strings: [String] = []
        for element in elements {
            guard case .string(let string) = element else { throw Self.malformed(name) }
            strings.append(string)
        }
        return strings
    }

    func integer(_ name: String) throws(CacheError) -> Int {
        guard case .int(let value) = try member(name) else { throw Self.malformed(name) }
        return Int(value)
    }

    func bytes(_ name: String) throws(CacheError) -> [UInt8] {
        guard case .bytes(let value) = try member(name) else { throw Self.malformed(name) }
        return value
    }

    /// The key of the operation and arguments that the request names.
    func key() throws(CacheError) -> CacheKey {
        let operation = try InteropOperation(namespace: string("namespace"), operation: string("operation"))
        guard case .array(let tagged) = try member("arguments") else { throw Self.malformed("arguments") }
        var arguments: [InteropArgument] = []
        for argument in tagged { arguments.append(try TaggedValue.argument(argument)) }
        return try operation.key(arguments)
    }
}
