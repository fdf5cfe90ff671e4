import Foundation

/// Rows for people on standard output, the same as JSON in a file.
struct Report {
    private struct Row: Encodable {
        var name: String
        var ours: Double
        var floor: Double
        var unit: String
        var ratio: Double
        var bar: Double?
        var met: Bool?

        enum CodingKeys: CodingKey {
            case name, ours, floor, unit, ratio, bar, met
        }

        // By hand, because the derived form leaves out what is nil instead of saying null.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(ours, forKey: .ours)
            try container.encode(floor, forKey: .floor)
            try container.encode(unit, forKey: .unit)
            try container.encode(ratio, forKey: .ratio)
            try container.encode(bar, forKey: .bar)
            try container.encode(met, forKey: .met)
        }
    }

    private var rows: [Row] = []

    static func printHeader() {
        say(line("figure", "ours", "floor", "ratio", "spread", "bar", ""))
    }

    mutating func add(_ figure: Figure, _ measurement: Measurement) {
        let met = figure.bar.map { $0.holds(measurement.ratio) }
        rows.append(
            Row(
                name: figure.name, ours: rounded(measurement.ours), floor: rounded(measurement.floor),
                unit: figure.unit.rawValue, ratio: rounded(measurement.ratio), bar: figure.bar?.limit, met: met))
        let spread = measurement.spread
        say(
            Self.line(
                figure.name, Self.quantity(measurement.ours, figure.unit),
                Self.quantity(measurement.floor, figure.unit), Self.decimal(measurement.ratio, 2),
                "\(Self.decimal(spread.lowerBound, 2))-\(Self.decimal(spread.upperBound, 2))", Self.text(figure.bar),
                met.map { $0 ? "met" : "MISSED" } ?? ""))
    }

    /// Adds what was not timed in pairs.
    mutating func add(_ name: String, ours: Double, floor: Double, unit: String, bar: Figure.Bar) {
        let ratio = ours / floor
        let met = bar.holds(ratio)
        rows.append(
            Row(
                name: name, ours: rounded(ours), floor: rounded(floor), unit: unit, ratio: rounded(ratio),
                bar: bar.limit, met: met))
        say(
            Self.line(
                name, "\(Self.decimal(ours, 1)) \(unit)", "\(Self.decimal(floor, 1)) \(unit)", Self.decimal(ratio, 2),
                "-", Self.text(bar), met ? "met" : "MISSED"))
    }

    func write(to file: URL) throws {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .withoutEscapingSlashes]
        try encoder.encode(rows).write(to: file, options: .atomic)
    }

    private func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }

    private static func text(_ bar: Figure.Bar?) -> String {
        switch bar {
        case .atMost(let limit): "<= \(decimal(limit, 2))"
        case .atLeast(let limit): ">= \(decimal(limit, 2))"
        case nil: "-"
        }
    }

    private static func quantity(_ value: Double, _ unit: Figure.Unit) -> String {
        "\(decimal(value, unit == .growth || unit == .mebibytes ? 2 : value < 1000 ? 1 : 0)) \(unit.rawValue)"
    }

    private static func decimal(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    private static func line(
        _ name: String, _ ours: String, _ floor: String, _ ratio: String, _ spread: String, _ bar: String,
        _ verdict: String
    ) -> String {
        func left(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let name = name + String(repeating: " ", count: max(0, 58 - name.count))
        return name + left(ours, 14) + left(floor, 14) + left(ratio, 8) + left(spread, 12) + left(bar, 9)
            + "  \(verdict)"
    }
}

/// Prints a line at once, also into a pipe.
func say(_ line: String) {
    FileHandle.standardOutput.write(Data("\(line)\n".utf8))
}
