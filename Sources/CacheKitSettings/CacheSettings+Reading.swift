import CacheKitCore
import CacheKitRedis
import CacheKitSync

extension CacheSettings {
    /// A file, over a preset that code or the file itself names.
    ///
    /// The file is JSON (RFC 8259): `{"preset": "production", "sqlite": {"size_limit": "256M"}}`; `docs/configuration.md` has
    /// every name. With ``Preset/testing`` in code it is not even opened.
    public init(file path: String, preset: Preset? = nil) {
        self.init(preset: preset, file: path, environment: nil, passingOver: [])
    }

    /// The environment, over a file if one is given, over a preset that code, the environment or the file names.
    ///
    /// With ``Preset/testing`` in code neither is looked at.
    ///
    /// - Parameters:
    ///   - preset: What everything begins as; the environment or the file may repeat it and not say another.
    ///   - path: A file, which the environment goes over.
    ///   - variables: What is read in the place of the process's environment.
    ///   - others: Variables that begin with `CACHEKIT_` and are somebody else's: every other one must be known.
    public static func environment(
        _ preset: Preset? = nil, file path: String? = nil, variables: [String: String]? = nil,
        passingOver others: Set<String> = []
    ) -> CacheSettings {
        let environment = preset == .testing ? nil : variables.map(Environment.init) ?? .process
        return CacheSettings(preset: preset, file: path, environment: environment, passingOver: others)
    }

    static let presetVariable = "CACHEKIT_PRESET"

    private init(preset: Preset?, file path: String?, environment: Environment?, passingOver others: Set<String>) {
        guard preset != .testing else {
            self.init(.testing)
            return
        }
        var mistakes: [String] = []
        let file = path.flatMap { FileLayer($0, &mistakes) }
        var found = preset
        var isKnown = true
        func choose(_ text: String?, _ label: String) {
            guard let text else { return }
            guard let named = Preset(rawValue: text) else {
                let names = Preset.allCases.map(\.rawValue).joined(separator: ", ")
                mistakes.append("\(label) must be one of \(names)")
                isKnown = false
                return
            }
            guard found == nil || found == named || preset == nil else {
                mistakes.append("\(label) names another preset than the program does; take it out, or name the same")
                return
            }
            found = named
        }
        choose(file?.preset, "preset" + (file.map { " (line \($0.presetLine))" } ?? ""))
        choose(environment?.value(Self.presetVariable), Self.presetVariable)
        if found == nil, isKnown, path == nil || file != nil {
            let names = Preset.allCases.map(\.rawValue).joined(separator: ", ")
            mistakes.append(
                "no preset is named; set \(Self.presetVariable), or preset in the file, to one of \(names)")
        }
        self.init(found ?? .production)
        isPresetKnown = found != nil && isKnown
        self.mistakes = mistakes
        postponed = []
        if let file { apply(file) }
        if let environment { apply(environment, passingOver: others) }
        settle()
    }

    /// Applies what was put off: what it means, another setting says, and that one may come from a later layer.
    private mutating func settle() {
        let waiting = postponed ?? []
        postponed = nil
        for (setting, text, place) in waiting {
            // The environment goes over the file, also where it leaves no room for a part of that.
            if case .file = place, case .environment? = readings["sync.back_pressure.response"]?.place,
                sync.backPressure.response == .reject
            {
                continue
            }
            apply(setting, text, from: place)
        }
    }

    mutating func apply(_ setting: Setting, _ text: String, from place: Reading.Place) {
        if postponed != nil, setting.name == "sync.back_pressure.timeout" {
            postponed?.append((setting, text, place))
            return
        }
        if let problem = setting.write(&self, text) {
            mistakes.append("\(Self.label(setting, place)) \(problem)")
            unreadable.insert(setting.name)
        } else {
            unreadable.remove(setting.name)
        }
        readings[setting.name] = Reading(place: place, text: setting.read(self))
    }

    private mutating func apply(_ file: FileLayer) {
        mistakes += file.mistakes
        for setting in Setting.all {
            guard let member = file.members[setting.name] else { continue }
            guard let text = member.text else {
                mistakes.append("\(Self.label(setting, .file(line: member.line))) must be \(setting.words)")
                unreadable.insert(setting.name)
                continue
            }
            apply(setting, text, from: .file(line: member.line))
        }
        if file.isOpenToOthers, redis.url?.credentials != nil {
            mistakes.append(
                "redis.url has a password in it, and the file is open to others than its owner; run `chmod 600` on it, or use \(Setting.byName["redis.url"]?.variable ?? "")"
            )
        }
    }

    private mutating func apply(_ environment: Environment, passingOver others: Set<String>) {
        self.environment = environment
        for setting in Setting.all {
            guard environment.isSet(setting.variable) else { continue }
            guard let text = environment.value(setting.variable) else { continue }
            apply(setting, text, from: .environment)
        }
        let known = Set(Setting.byVariable.keys).union(Self.otherVariables)
        for name in environment.names where !known.contains(name) && !others.contains(name) && environment.isSet(name) {
            let advice = NearMiss.suggestion(for: name, among: known).map { "did you mean \($0)?" }
            mistakes.append("\(name) means nothing; \(advice ?? "take it out")")
        }
    }

    /// Known besides those of ``Setting``.
    private static let otherVariables: Set<String> = [
        presetVariable, Keyring.masterKeyVariable, Keyring.previousMasterKeysVariable,
    ]

    static func label(_ setting: Setting, _ place: Reading.Place) -> String {
        switch place {
        case .file(let line): "\(setting.name) (line \(line))"
        case .environment: setting.variable
        }
    }
}
