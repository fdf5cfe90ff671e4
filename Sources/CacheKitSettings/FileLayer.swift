import CacheKitCore

/// What a file of settings says: its members by their paths, and what is wrong with it.
struct FileLayer {
    struct Member {
        let line: Int
        /// As the form of a setting reads it; `nil` for a value that is none, such as an object.
        let text: String?
    }

    private(set) var members: [String: Member] = [:]
    private(set) var mistakes: [String] = []
    private(set) var preset: String?
    private(set) var presetLine = 1
    let isOpenToOthers: Bool
    private let json: LocatedJSON

    /// `nil` for a file that can't be read at all, of which the mistakes then tell.
    init?(_ path: String, _ mistakes: inout [String]) {
        do throws(CacheError) {
            let file = try SettingsFile(path)
            isOpenToOthers = file.isOpenToOthers
            json = try LocatedJSON(file.bytes)
        } catch {
            mistakes.append(error.code == .decoding ? "the file of settings, \(error.message)" : error.message)
            return nil
        }
        guard case .map(let entries) = json.value else {
            mistakes.append("the file of settings must be a JSON object")
            return nil
        }
        take(entries, in: "")
    }

    private mutating func take(_ entries: [MessagePackValue.Entry], in section: String) {
        for entry in entries {
            let path = section.isEmpty ? entry.key : "\(section).\(entry.key)"
            let line = json.line(of: path)
            if path == "preset" {
                presetLine = line
                if case .string(let name) = entry.value { preset = name } else { preset = "" }
            } else if entry.key.contains(".") {
                // Beside the object of that name, one of the two would be passed over.
                mistakes.append(
                    "\(path) (line \(line)) must be written as an object: a setting of a section stands in it")
            } else if let setting = Setting.byName[path] {
                members[path] = Member(line: line, text: Self.text(entry.value, for: setting))
            } else if Setting.sections.contains(path) {
                if case .map(let inner) = entry.value {
                    take(inner, in: path)
                } else {
                    mistakes.append("\(path) (line \(line)) must be an object with settings in it")
                }
            } else {
                mistakes.append("\(path) (line \(line)) means nothing; \(Self.advice(path))")
            }
        }
    }

    private static func advice(_ path: String) -> String {
        if path == "master_key" || path == "previous_master_keys" {
            return "a key is never in a file of settings: name its file in key_file, or set CACHEKIT_MASTER_KEY"
        }
        let names = Array(Setting.byName.keys) + Setting.sections + ["preset"]
        if let name = NearMiss.suggestion(for: path, among: names) { return "did you mean \(name)?" }
        // The right name in the wrong object.
        let last = path.split(separator: ".").last ?? ""
        let elsewhere = Setting.all.filter { $0.name.hasSuffix(".\(last)") || $0.name == last }
        return elsewhere.count == 1 ? "did you mean \(elsewhere[0].name)?" : "take it out"
    }

    private static func text(_ value: MessagePackValue, for setting: Setting) -> String? {
        switch value {
        case .string(let text): return text
        case .int(let number): return "\(number)"
        case .uint(let number): return "\(number)"
        case .double(let number): return "\(number)"
        case .bool(let flag) where setting.words == SettingForm.flag.words: return flag ? "true" : "false"
        case .array(let elements) where setting.words == SettingForm.list.words:
            var texts: [String] = []
            for element in elements {
                guard case .string(let text) = element, !text.contains(",") else { return nil }
                texts.append(text)
            }
            return texts.joined(separator: ",")
        default: return nil
        }
    }
}
