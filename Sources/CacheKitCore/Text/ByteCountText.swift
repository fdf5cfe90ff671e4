/// A number of bytes as operators write it.
package enum ByteCountText {
    private static let units: [(suffix: String, shift: Int)] = [("G", 30), ("M", 20), ("K", 10)]

    /// Bytes, or a whole number with `K` (1,024), `M` (1,048,576) or `G` (1,073,741,824); `nil` for anything else, and for
    /// what does not fit an `Int`.
    package static func bytes(_ text: some StringProtocol) -> Int? {
        let unit = units.first { text.hasSuffix($0.suffix) } ?? ("", 0)
        guard let number = Int(digits: text.dropLast(unit.suffix.count)) else { return nil }
        let (count, overflow) = number.multipliedReportingOverflow(by: 1 << unit.shift)
        return overflow ? nil : count
    }

    /// The shortest text that ``bytes(_:)`` reads as so many.
    package static func text(_ count: Int) -> String {
        guard count != 0, let unit = units.first(where: { count % (1 << $0.shift) == 0 }) else { return "\(count)" }
        return "\(count >> unit.shift)\(unit.suffix)"
    }
}
