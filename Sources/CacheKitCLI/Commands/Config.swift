import ArgumentParser
import CacheKitCore
import CacheKitSettings

/// What a service is configured to be.
struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the configuration of a service.", subcommands: [Check.self])

    /// Says what would be used, and every mistake.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say what a service with this file and environment would use, and every mistake in them.",
            discussion: """
                For programs that read their settings from CACHEKIT_* variables and a file; docs/configuration.md has the \
                names. Opens no database and connects to nothing; keys and certificates that are named are looked at. \
                Passwords and keys are not printed. Exit codes: 0, or 2 with each mistake on a line.
                """)

        @Option(name: .long, help: "A file of settings (JSON); the environment goes over it.") var file: String?
        @Option(
            name: .long, help: ArgumentHelp("The preset that the program names, if it does.", valueName: "name"))
        var preset: PresetArgument?
        @OptionGroup var report: ReportOptions

        func run() async throws {
            let settings = CacheSettings.environment(preset?.preset, file: file)
            let mistakes = settings.problems
            if report.json { printObject(settings, mistakes) } else { printTable(settings) }
            for mistake in mistakes { StandardError.write("cachekit: \(mistake)") }
            if !mistakes.isEmpty { throw ExitStatus.usage }
        }

        private func printTable(_ settings: CacheSettings) {
            let rows =
                [("preset", settings.preset.rawValue, "")]
                + settings.effective.map { ($0.name, $0.value ?? "-", $0.source) }
            let names = rows.map(\.0.count).max() ?? 0
            let values = rows.map(\.1.count).filter { $0 <= 40 }.max() ?? 0
            for (name, value, source) in rows {
                let padding = String(repeating: " ", count: max(values - value.count, 0))
                let from = source.isEmpty ? "" : "\(padding)  \(source)"
                StandardOutput.write("\(name)\(String(repeating: " ", count: names - name.count))  \(value)\(from)")
            }
        }

        private func printObject(_ settings: CacheSettings, _ mistakes: [String]) {
            var fields = Report(schema: 1)
            fields.add("preset", settings.preset.rawValue)
            fields.add(
                "settings",
                .array(
                    settings.effective.map { setting in
                        .map([
                            MessagePackValue.Entry(key: "name", value: .string(setting.name)),
                            MessagePackValue.Entry(key: "value", value: setting.value.map { .string($0) } ?? .nil),
                            MessagePackValue.Entry(key: "source", value: .string(setting.source)),
                        ])
                    }))
            fields.add("mistakes", .array(mistakes.map { .string($0) }))
            fields.print(json: true)
        }
    }
}

/// A preset on the command line.
struct PresetArgument: ExpressibleByArgument {
    let preset: Preset

    init?(argument: String) {
        guard let preset = Preset(rawValue: argument) else { return nil }
        self.preset = preset
    }

    static var allValueStrings: [String] { Preset.allCases.map(\.rawValue) }
}
