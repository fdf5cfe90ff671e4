extension CacheSettings {
    /// One setting as it would be used.
    package struct Effective: Sendable {
        /// As in a file.
        package let name: String
        /// The value, without user and password; `nil` where none is set.
        package let value: String?
        /// Whether the value is left out of descriptions.
        package let isPrivate: Bool
        /// `preset`, `environment`, `line 3`, or `code`.
        package let source: String
    }

    /// Every setting as it would be used, in the order of the reference.
    package var effective: [Effective] {
        let base = CacheSettings(preset)
        let resolved = resolved
        return Setting.all.map { setting in
            let value = setting.read(resolved)
            // What only follows from others is nobody's doing.
            var source = setting.read(self) == setting.read(base) ? "preset" : "code"
            if let reading = readings[setting.name], reading.text == value {
                switch reading.place {
                case .environment: source = "environment"
                case .file(let line): source = "line \(line)"
                }
            }
            return Effective(name: setting.name, value: value, isPrivate: setting.isPrivate, source: source)
        }
    }

    /// What is not as the preset has it; names, paths and addresses are left out.
    private var parts: [(name: String, text: String)] {
        var parts: [(String, String)] = [("preset", preset.rawValue)]
        for setting in effective where setting.source != "preset" {
            guard let value = setting.value else { continue }
            parts.append((setting.name, setting.isPrivate ? "(set)" : value))
        }
        if key != nil { parts.append(("key", "(set)")) }
        return parts
    }
}

extension CacheSettings: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The preset and what is not as it has it, without names, paths, addresses and keys.
    public var description: String {
        "CacheSettings(\(parts.map { "\($0.name): \($0.text)" }.joined(separator: ", ")))"
    }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Only what ``description`` shows, so that `dump` shows nothing else either.
    public var customMirror: Mirror { Mirror(self, children: parts.map { (label: $0.name, value: $0.text as Any) }) }
}
