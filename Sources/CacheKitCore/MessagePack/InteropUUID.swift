/// A UUID as an interop argument: a lowercase hyphenated string on the wire (protocol section 2).
public struct InteropUUID: Hashable, Sendable {
    /// The 36 characters, lowercase.
    public let string: String

    /// Parses the hyphenated form (8-4-4-4-12 hex digits), upper or lower case.
    ///
    /// - Throws: ``CacheError/Code/invalidArgument`` for anything else.
    public init(_ text: String) throws(CacheError) {
        let utf8 = Array(text.utf8)
        let isWellFormed =
            utf8.count == 36
            && utf8.enumerated().allSatisfy { index, byte in
                switch index {
                case 8, 13, 18, 23: byte == 0x2D
                default: (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
                }
            }
        guard isWellFormed else {
            throw CacheError(.invalidArgument, "not a UUID; write 32 hex digits as 8-4-4-4-12 with hyphens")
        }
        string = text.lowercased()
    }

    /// A UUID from its 16 bytes, in the order of its text; `nil` for another length.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        string = text
    }
}
