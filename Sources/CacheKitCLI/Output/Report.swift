import CacheKitCore

/// Fields that a command reports: as aligned lines for people, or with `--json` as one object.
struct Report {
    private var fields: [MessagePackValue.Entry] = []
    /// The version of the fields, which the object then begins with; people are not told.
    private let schema: Int?

    init(schema: Int? = nil) {
        self.schema = schema
    }

    mutating func add(_ name: String, _ value: MessagePackValue) {
        fields.append(MessagePackValue.Entry(key: name, value: value))
    }

    mutating func add(_ name: String, _ value: Int) { add(name, .int(Int64(value))) }

    mutating func add(_ name: String, _ value: UInt64) { add(name, .integer(value)) }

    mutating func add(_ name: String, _ value: String) { add(name, .string(value)) }

    mutating func add(_ name: String, _ value: Bool) { add(name, .bool(value)) }

    func print(json: Bool) {
        guard !json else {
            let version = schema.map { [MessagePackValue.Entry(key: "schema", value: .int(Int64($0)))] } ?? []
            StandardOutput.write(MessagePackValue.map(version + fields).json + [0x0A])
            return
        }
        let width = fields.map(\.key.count).max() ?? 0
        for field in fields {
            let name = field.key + String(repeating: " ", count: width - field.key.count)
            StandardOutput.write("\(name)  \(Self.text(field.value))")
        }
    }

    /// Prints the fields, and behind them what is to be done next: for people a sentence a line.
    consuming func print(json: Bool, nextSteps: [String]) {
        if json { add("next_steps", .array(nextSteps.map { .string($0) })) }
        print(json: json)
        if !json { for step in nextSteps { StandardOutput.write("next: \(step)") } }
    }

    private static func text(_ value: MessagePackValue) -> String {
        switch value {
        case .nil: "-"
        case .string(let text): text
        case .array(let elements) where elements.isEmpty: "none"
        case .array(let elements): elements.map(text).joined(separator: "; ")
        case .map(let entries) where entries.isEmpty: "none"
        case .map(let entries): entries.map { "\($0.key): \(text($0.value))" }.joined(separator: ", ")
        default: String(decoding: value.json, as: UTF8.self)
        }
    }
}
