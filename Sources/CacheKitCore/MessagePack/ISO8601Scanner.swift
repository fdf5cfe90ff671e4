/// Scans the ISO 8601 forms that the SDKs write; ASCII digits only, exact arithmetic.
struct ISO8601Scanner {
    private var rest: Substring.UTF8View

    init(_ text: String.UTF8View) {
        rest = Substring(String(text)).utf8
    }

    var isAtEnd: Bool { rest.isEmpty }

    /// Microseconds since the epoch.
    mutating func dateTime() -> Int64? {
        guard let days = date(), take("T") || take("t") || take(" "), let time = timeOfDay(), let offset = utcOffset(),
            isAtEnd
        else { return nil }
        // Years are 1...9999, so no product comes near the bounds of Int64.
        return days * 86_400_000_000 + time - offset * 1_000_000
    }

    /// Days since the epoch.
    mutating func date() -> Int64? {
        guard let year = digits(4), take("-"), let month = digits(2), take("-"), let day = digits(2),
            year >= 1, (1...12).contains(month), day >= 1, day <= Self.length(ofMonth: month, year: year)
        else { return nil }
        return InteropDateTime.days(year: year, month: month, day: day)
    }

    private mutating func timeOfDay() -> Int64? {
        guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60 else { return nil }
        var microseconds = (hour * 60 + minute) * 60_000_000
        if take(":") {
            guard let second = digits(2), second < 60 else { return nil }
            microseconds += second * 1_000_000
            if take(".") || take(",") {
                guard let fraction = fraction() else { return nil }
                microseconds += fraction
            }
        }
        return microseconds
    }

    private mutating func fraction() -> Int64? {
        var value: Int64 = 0
        var count = 0
        while let byte = rest.first, (0x30...0x39).contains(byte) {
            if count < 6 { value = value * 10 + Int64(byte - 0x30) }
            count += 1
            rest.removeFirst()
        }
        guard count > 0 else { return nil }
        for _ in min(count, 6)..<6 { value *= 10 }
        return value
    }

    /// Seconds east of UTC.
    private mutating func utcOffset() -> Int64? {
        if take("Z") || take("z") { return 0 }
        let sign: Int64
        if take("+") { sign = 1 } else if take("-") { sign = -1 } else { return nil }
        guard let hours = digits(2), hours < 24 else { return nil }
        var seconds = hours * 3600
        if isAtEnd { return sign * seconds }
        let isExtended = take(":")
        guard let minutes = digits(2), minutes < 60 else { return nil }
        seconds += minutes * 60
        if isExtended, take(":") {
            guard let more = digits(2), more < 60 else { return nil }
            seconds += more
        }
        return sign * seconds
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = rest.first, UInt32(byte) == character.value else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func digits(_ count: Int) -> Int64? {
        var value: Int64 = 0
        for _ in 0..<count {
            guard let byte = rest.first, (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 0x30)
            rest.removeFirst()
        }
        return value
    }

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
