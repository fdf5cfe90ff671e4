// The one file of this folder that knows Foundation's types.
#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

extension Date: MessagePackEncodable, MessagePackDecodable {
    /// Microseconds from the Unix epoch to the reference date of `Date`, 2001-01-01.
    private static let referenceMicroseconds: Int64 = 978_307_200_000_000

    /// Microseconds since the epoch, rounded to the nearest (a `Date` is a `Double` of seconds since 2001 and holds no
    /// more). Counted from 2001, and whole seconds apart: a sum or product of the whole would round a second time.
    fileprivate var interop: InteropDateTime? {
        let whole = timeIntervalSinceReferenceDate.rounded(.down)
        guard let seconds = Int64(exactly: whole) else { return nil }
        let fraction = Int64(((timeIntervalSinceReferenceDate - whole) * 1_000_000).rounded())
        let (microseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, sumOverflow) = microseconds.addingReportingOverflow(Self.referenceMicroseconds + fraction)
        return overflow || sumOverflow ? nil : InteropDateTime(microseconds: sum)
    }

    fileprivate init(_ moment: InteropDateTime) {
        let (microseconds, overflow) = moment.microseconds.subtractingReportingOverflow(Self.referenceMicroseconds)
        // Near the ends of 64 bits, 290,000 years away, a Double holds no microseconds anyway.
        self.init(timeIntervalSinceReferenceDate: Double(overflow ? Int64.min : microseconds) / 1_000_000)
    }

    /// Writes the sentinel map `{"__datetime__": true, "value": "2024-01-31T12:30:45.123456+00:00"}` (protocol section 3).
    ///
    /// - Throws: ``CacheError/Code/encoding`` outside the years 0001...9999.
    public func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        guard let text = interop?.iso8601 else {
            throw CacheError(.encoding, "a date is outside the years 0001 to 9999; other SDKs can't read it")
        }
        writer.writeMapHeader(count: 2)
        writer.write(key: "__datetime__")
        writer.write(true)
        writer.write(key: "value")
        writer.write(text)
    }

    /// Reads a `__datetime__` map with any UTC offset, or a `__date__` map as its midnight in UTC.
    public init(from reader: inout MessagePackReader) throws(CacheError) {
        let entries = try reader.readMapHeader()
        var isDate: Bool?
        var text: String?
        for _ in 0..<entries {
            if try reader.readKey("__datetime__") {
                if try reader.readBool() { isDate = false }
            } else if try reader.readKey("__date__") {
                if try reader.readBool() { isDate = true }
            } else if try reader.readKey("value") {
                text = try reader.readString()
            } else {
                try reader.skip()
                try reader.skip()
            }
        }
        guard let isDate, let text else {
            throw CacheError(.decoding, "not a __datetime__ or __date__ map; check how the date was written")
        }
        self.init(isDate ? try InteropDateTime(iso8601Date: text) : try InteropDateTime(iso8601: text))
    }
}

extension UUID: MessagePackEncodable, MessagePackDecodable {
    /// Writes the lowercase hyphenated string.
    public func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        writer.write(uuidString.lowercased())
    }

    /// Reads a hyphenated string, upper or lower case.
    public init(from reader: inout MessagePackReader) throws(CacheError) {
        guard let uuid = UUID(uuidString: try reader.readString()) else {
            throw CacheError(.decoding, "a string is not a UUID; write it as 8-4-4-4-12 hex digits")
        }
        self = uuid
    }
}

extension Data: MessagePackEncodable, MessagePackDecodable {
    /// Writes a byte string.
    public func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        withUnsafeBytes { writer.writeBytes($0) }
    }

    /// Reads a byte string, or an array of integers 0...255.
    public init(from reader: inout MessagePackReader) throws(CacheError) {
        self.init(try reader.readBytes())
    }
}

extension InteropArgument {
    /// A UUID.
    public static func uuid(_ uuid: UUID) -> InteropArgument {
        withUnsafeBytes(of: uuid.uuid) { bytes in
            // 16 bytes always make one.
            InteropUUID(bytes: bytes).map(InteropArgument.uuid) ?? .nil
        }
    }

    /// A date, to the nearest microsecond (a `Date` is a `Double`, whose error a floor would amplify).
    ///
    /// - Throws: ``CacheError/Code/encoding`` beyond 292,000 years from now.
    public static func date(_ date: Date) throws(CacheError) -> InteropArgument {
        guard let moment = date.interop else {
            throw CacheError(.encoding, "a date argument does not fit 64 bits of microseconds")
        }
        return .dateTime(moment)
    }
}

extension UUID: InteropArgumentConvertible {
    /// A UUID.
    public var interopArgument: InteropArgument { .uuid(self) }
}

extension Date: InteropArgumentConvertible {
    /// A moment, to the nearest microsecond.
    ///
    /// - Throws: ``CacheError/Code/encoding`` beyond 292,000 years from now.
    public var interopArgument: InteropArgument {
        get throws(CacheError) { try .date(self) }
    }
}

extension Data: InteropArgumentConvertible {
    /// A byte string.
    public var interopArgument: InteropArgument { .bytes([UInt8](self)) }
}
