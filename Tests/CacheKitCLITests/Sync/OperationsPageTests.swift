import CacheKitTesting
import Foundation
import Testing

/// What docs/operations.md says, against what the command prints.
@Suite(.enabled(if: RedisServer.isInstalled, "redis-server is not installed"))
struct OperationsPageTests {
    @Test func `each report has the fields that the page documents, and no other`() async throws {
        let page = try OperationsPage()
        let scene = try await OperatorScene()
        defer { scene.stop() }
        try await scene.setAsideOneOfEach()
        let id = try #require(try await scene.objects("sync conflicts list").first?["id"] as? Int)
        let reports: [(heading: String, command: String)] = [
            ("`sync status`", "sync status"), ("`sync push`", "sync push"),
            ("`sync pull`", "sync pull"), ("`sync verify`", "sync verify"),
            ("`sync dead-letters list`", "sync dead-letters list"), ("`sync parked list`", "sync parked list"),
            ("`sync conflicts list`", "sync conflicts list"), ("`sync conflicts show`", "sync conflicts show \(id)"),
            ("Decisions", "sync dead-letters retry --all"), ("Decisions", "sync parked send --all"),
            ("Decisions", "sync conflicts resolve --all --keep-remote --yes"),
        ]
        for (heading, command) in reports {
            let documented = page.fields(under: heading)
            #expect(documented.contains("schema") && documented.count > 3, "\(heading)")
            let outcome = try await scene.run(command, "--json")
            #expect(outcome.outputLines.count == 1, "\(command): \(outcome.output)\(outcome.errors)")
            let object = try #require(try outcome.objects().first, "\(command): \(outcome.errors)")
            #expect(object["schema"] as? Int == 1, "\(command)")
            #expect(Self.names(of: object, documented) == documented, "\(command)")
        }
    }

    /// Field names, those of an object within only where the page has any of it.
    private static func names(of object: [String: Any], _ documented: Set<String>) -> Set<String> {
        var names: Set<String> = []
        for (name, value) in object {
            names.insert(name)
            guard let inner = value as? [String: Any], documented.contains(where: { $0.hasPrefix(name + ".") }) else {
                continue
            }
            names.formUnion(inner.keys.map { "\(name).\($0)" })
        }
        return names
    }

    @Test func `the page has every command of sync, and every exit code`() async throws {
        let page = try OperationsPage()
        let tool = try CommandLineTool()
        defer { tool.remove() }
        for (group, isNested) in [
            ("sync", false), ("sync dead-letters", true), ("sync parked", true), ("sync conflicts", true),
        ] {
            let help = try await tool.shell("cachekit \(group) --help").output
            let commands = help.matches(of: /\n  ([a-z][a-z-]+)  +[A-Z]/).map { String($0.output.1) }
            #expect(commands.count >= 3, "\(help)")
            for command in commands
            where isNested || !["dead-letters", "parked", "conflicts", "help"].contains(command) {
                let isKnown = page.text.contains("### `\(group) \(command)`") || page.names(group, command)
                #expect(isKnown, "\(group) \(command)")
            }
        }
        for code in 0...9 { #expect(page.text.contains("\n| \(code) | "), "\(code)") }
    }
}

/// docs/operations.md.
struct OperationsPage {
    let text: String

    init() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        text = try String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)
    }

    /// What stands between a heading and the next one.
    func section(_ heading: String) -> Substring {
        guard let start = text.range(of: "\n### \(heading)\n") else { return "" }
        let rest = text[start.upperBound...]
        let end = rest.range(of: "\n##")?.lowerBound ?? rest.endIndex
        return rest[..<end]
    }

    /// Names in the first column of the section's table of fields.
    func fields(under heading: String) -> Set<String> {
        let lines = section(heading).split(separator: "\n")
        guard let start = lines.firstIndex(where: { $0.hasPrefix("| field |") }) else { return [] }
        let rows = lines[start...].dropFirst(2).prefix { $0.hasPrefix("|") }
        return Set(
            rows.flatMap { row in
                row.split(separator: "|")[0].matches(of: /`([a-z_.]+)`/).map { String($0.output.1) }
            })
    }

    /// Whether a decision is named in a form like `sync parked send|drop`.
    func names(_ group: String, _ command: String) -> Bool {
        text.matches(of: /`(sync [a-z-]+) ([a-z|-]+)/).contains {
            $0.output.1 == group && $0.output.2.split(separator: "|").contains(command[...])
        }
    }

    /// The commands of a runbook, in order.
    func commands(of runbook: String) -> [String] {
        var isInside = false
        var commands: [String] = []
        for line in section(runbook).split(separator: "\n") {
            if line.hasPrefix("```") {
                isInside = line == "```sh"
            } else if isInside {
                commands.append(String(line))
            }
        }
        return commands
    }
}
