import CacheKitCore

/// How values of a kind are written, in a file and in a variable alike.
struct SettingForm<Value: Sendable>: Sendable {
    /// What may be written, for messages and the reference: `a duration such as 500ms`.
    let words: String
    /// Something that may be written.
    let example: String
    let parse: @Sendable (String) -> Value?
    let text: @Sendable (Value) -> String

    /// Where there may also be no value.
    func orNone(example: String? = nil) -> SettingForm<Value?> {
        SettingForm<Value?>(
            words: "\(words), or none", example: example ?? self.example,
            parse: { text in text == "none" ? .some(nil) : self.parse(text).map { .some($0) } },
            text: { $0.map(self.text) ?? "none" })
    }
}

extension SettingForm<Duration> {
    static let duration = SettingForm(
        words: "a duration such as 500ms, 30s, 10m, 2h or 7d", example: "35ms", parse: { Duration(text: $0) },
        text: \.text)
}

extension SettingForm<Int> {
    static let bytes = SettingForm(
        words: "a number of bytes such as 4096, 512K, 64M or 1G", example: "96M", parse: { ByteCountText.bytes($0) },
        text: { ByteCountText.text($0) })
    static let count = SettingForm(
        words: "a whole number", example: "12", parse: { Int(digits: $0) }, text: { "\($0)" })
    /// The largest number stands for no bound.
    static let bound = SettingForm(
        words: "a whole number, or none", example: "120000", parse: { $0 == "none" ? .max : Int(digits: $0) },
        text: { $0 == .max ? "none" : "\($0)" })
}

extension SettingForm<Bool> {
    static let flag = SettingForm(
        words: "true or false", example: "true",
        parse: { $0 == "true" ? true : $0 == "false" ? false : nil }, text: { $0 ? "true" : "false" })
}

extension SettingForm<String> {
    static func text(_ words: String, example: String) -> SettingForm<String> {
        SettingForm(words: words, example: example, parse: { $0.utf8.contains(0) ? nil : $0 }, text: { $0 })
    }
}

extension SettingForm<[String]> {
    static let list = SettingForm(
        words: "a list: an array in a file, separated by commas in a variable", example: "users:,sessions:",
        parse: { $0.split(separator: ",").map(String.init) }, text: { $0.joined(separator: ",") })
}

extension SettingForm where Value: Equatable {
    static func oneOf(_ names: [(String, Value)]) -> SettingForm<Value> {
        SettingForm(
            words: "one of \(names.map(\.0).joined(separator: ", "))", example: names.last?.0 ?? "",
            parse: { text in names.first { $0.0 == text }?.1 },
            text: { value in names.first { $0.1 == value }?.0 ?? "" })
    }
}
