extension Duration {
    /// From the longest unit to the shortest; `ms` is looked for before `m` and `s`.
    private static let units: [(suffix: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
    ]

    /// A duration as operators write it: whole seconds, or a whole number with `ms`, `s`, `m`, `h` or `d`; `nil` for anything
    /// else, and for what does not fit 64 bits of milliseconds.
    package init?(text: some StringProtocol) {
        let unit = Self.units.last { text.hasSuffix($0.suffix) } ?? ("", 1000)
        guard let number = Int64(digits: text.dropLast(unit.suffix.count)) else { return nil }
        let (milliseconds, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
        guard !overflow else { return nil }
        self = .milliseconds(milliseconds)
    }

    /// The shortest text that ``init(text:)`` reads as this, rounded down to milliseconds: `10m`, `1500ms`, `0s`.
    package var text: String {
        let milliseconds = components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        let unit = Self.units.first { milliseconds % $0.milliseconds == 0 } ?? ("ms", 1)
        guard milliseconds != 0 else { return "0s" }
        return "\(milliseconds / unit.milliseconds)\(unit.suffix)"
    }
}

extension FixedWidthInteger {
    /// A number of digits only: no sign, no blanks.
    package init?(digits: some StringProtocol) {
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        self.init(String(digits))
    }
}
