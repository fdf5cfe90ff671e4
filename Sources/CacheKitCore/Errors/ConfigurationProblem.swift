/// One mistake in a configuration: which properties it is about, and what they must be.
public struct ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
    /// The properties, as paths from the configuration that they belong to, such as `memory.shards`; none where the mistake is
    /// about none of them.
    public var properties: [String]
    /// What is said of them, such as `must be from 1 to 1,024`; a whole sentence where there are none. Never a value.
    public var text: String

    /// A mistake in some properties.
    public init(_ properties: String..., text: String) {
        self.properties = properties
        self.text = text
    }

    /// The same, of properties of a part.
    package func within(_ part: String) -> ConfigurationProblem {
        var problem = self
        problem.properties = properties.map { "\(part).\($0)" }
        return problem
    }

    /// One line: properties and what they must be.
    public var description: String {
        properties.isEmpty ? text : "\(properties.joined(separator: " and ")) \(text)"
    }
}

extension [ConfigurationProblem] {
    /// Adds a mistake unless a condition holds.
    package mutating func require(_ holds: Bool, _ properties: String..., text: String) {
        guard !holds else { return }
        var problem = ConfigurationProblem(text: text)
        problem.properties = properties
        append(problem)
    }
}

extension CacheError {
    /// What is thrown for mistakes of a configuration: the one there is, or all of them, each on a line of its own; `nil` for none.
    package init?(mistakes lines: [String], file: String = #fileID, line: Int = #line) {
        guard let first = lines.first else { return nil }
        let message =
            lines.count == 1
            ? first : "the configuration has \(lines.count) mistakes:" + lines.map { "\n- \($0)" }.joined()
        self.init(.invalidConfiguration, message, file: file, line: line)
    }

    /// Throws for mistakes of a configuration, if there are any.
    package static func check(
        _ problems: [ConfigurationProblem], file: String = #fileID, line: Int = #line
    ) throws(CacheError) {
        if let error = CacheError(mistakes: problems.map(\.description), file: file, line: line) { throw error }
    }
}
