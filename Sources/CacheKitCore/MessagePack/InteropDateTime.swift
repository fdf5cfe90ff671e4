/// A moment in microseconds since 1970-01-01T00:00:00Z, as the interop profile counts (protocol sections 2 and 3).
///
/// Exact: integers only, in the proleptic Gregorian calendar of ISO 8601. Leap seconds do not exist (`:60` is refused).
public struct InteropDateTime: Hashable, Sendable {
    /// Microseconds since the epoch; negative before it.
    public let microseconds: Int64

    /// A moment.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Parses `YYYY-MM-DDTHH:MM[:SS[.f...]]` with a mandatory offset: `Z`, `+HH:MM`, `+HHMM`, `+HH` or `+HH:MM:SS`.
    ///
    /// A space may stand for the `T`. Digits beyond microseconds are dropped toward minus infinity.
    /// - Throws: ``CacheError/Code/decoding`` for anything else, in particular without an offset.
    public init(iso8601 text: String) throws(CacheError) {
        var scanner = ISO8601Scanner(text.utf8)
        guard let moment = scanner.dateTime() else {
            throw CacheError(
                .decoding,
                "not an ISO 8601 date-time with a UTC offset; write one like 2024-01-31T12:30:45.000000+00:00")
        }
        microseconds = moment
    }

    /// Parses an ISO 8601 date, `YYYY-MM-DD`, as its midnight in UTC.
    ///
    /// - Throws: ``CacheError/Code/decoding`` for anything else.
    public init(iso8601Date text: String) throws(CacheError) {
        var scanner = ISO8601Scanner(text.utf8)
        guard let days = scanner.date(), scanner.isAtEnd else {
            throw CacheError(.decoding, "not an ISO 8601 date; write one like 2024-01-31")
        }
        microseconds = days * 86_400_000_000
    }

    /// `YYYY-MM-DDTHH:MM:SS.ffffff+00:00`, 32 characters; `nil` outside the years 0001...9999, which no SDK can read.
    public var iso8601: String? {
        let perDay: Int64 = 86_400_000_000
        let days = Self.floorDivide(microseconds, perDay)
        let ofDay = microseconds - days * perDay
        let (year, month, day) = Self.civil(days: days)
        guard (1...9999).contains(year) else { return nil }
        let seconds = ofDay / 1_000_000
        return Self.padded(year, 4) + "-" + Self.padded(month, 2) + "-" + Self.padded(day, 2) + "T"
            + Self.padded(seconds / 3600, 2) + ":" + Self.padded(seconds / 60 % 60, 2) + ":"
            + Self.padded(seconds % 60, 2) + "." + Self.padded(ofDay % 1_000_000, 6) + "+00:00"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }

    static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    // Days and civil dates by 400-year eras that start on 1 March, so that the leap day ends a year
    // (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").

    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floorDivide(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
