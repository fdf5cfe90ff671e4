import Foundation
import Testing

@testable import CacheKitSettings

/// `docs/configuration.md` says what the code does.
struct ReferenceTests {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "docs/configuration.md")

    /// The tables between their marks, as the code has them.
    private static var tables: [String: String] {
        var settings = ["| in a file | variable | | unless set |", "|---|---|---|---|"]
        let production = CacheSettings(.production)
        for setting in Setting.all {
            let value = setting.read(production).map { $0.isEmpty ? "none" : $0 } ?? "-"
            settings.append(
                "| `\(setting.name)` | `\(setting.variable)` | \(setting.summary): \(setting.words) | \(value) |")
        }
        var presets = ["| | \(Preset.allCases.map(\.rawValue).joined(separator: " | ")) |"]
        presets.append("|---|\(String(repeating: "---|", count: Preset.allCases.count))")
        let all = Preset.allCases.map { CacheSettings($0) }
        for setting in Setting.all {
            let values = all.map { setting.read($0) ?? "-" }
            guard Set(values).count > 1 else { continue }
            presets.append("| `\(setting.name)` | \(values.joined(separator: " | ")) |")
        }
        return ["settings": settings.joined(separator: "\n"), "presets": presets.joined(separator: "\n")]
    }

    @Test func `the reference names every setting as it is`() throws {
        var text = try String(contentsOf: Self.path, encoding: .utf8)
        let isWriting = ProcessInfo.processInfo.environment["CACHEKIT_WRITE_REFERENCE"] != nil
        for (name, table) in Self.tables {
            let start = try #require(text.range(of: "<!-- \(name) -->\n"))
            let end = try #require(text.range(of: "\n<!-- end of \(name) -->"))
            if isWriting {
                text.replaceSubrange(start.upperBound..<end.lowerBound, with: table)
            } else {
                #expect(
                    text[start.upperBound..<end.lowerBound] == table,
                    "write it anew: CACHEKIT_WRITE_REFERENCE=1 swift test --filter ReferenceTests")
            }
        }
        if isWriting { try text.write(to: Self.path, atomically: true, encoding: .utf8) }
    }
}
