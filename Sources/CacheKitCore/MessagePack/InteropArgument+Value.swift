extension InteropArgument {
    /// The argument that a document stands for. Sets, UUIDs and date-times have no form of their own in a document.
    public init(_ value: MessagePackValue) {
        switch value {
        case .nil: self = .nil
        case .bool(let value): self = .bool(value)
        case .int(let value): self = .int(value)
        case .uint(let value): self = .uint(value)
        case .double(let value): self = .float(value)
        case .string(let value): self = .string(value)
        case .bytes(let value): self = .bytes(value)
        case .array(let elements): self = .array(elements.map(InteropArgument.init))
        case .map(let entries):
            self = .map(entries.map { Entry(key: $0.key, value: InteropArgument($0.value)) })
        }
    }
}
