/// One of the 16,384 slots that a Cluster spreads keys over
/// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
struct HashSlot: Hashable, Sendable {
    /// How many there are.
    static let count = 16_384

    /// From 0 to 16,383.
    let number: Int

    /// - Parameter number: `nil` is given for one that does not exist.
    init?(number: Int) {
        guard (0..<Self.count).contains(number) else { return nil }
        self.number = number
    }

    /// The slot of a key: CRC-16 of it, or of what stands between its first `{` and the next `}` where that is not
    /// empty, so that keys with the same tag share a slot.
    init(of key: String) {
        var key = key
        number = key.withUTF8 { bytes in
            guard let open = bytes.firstIndex(of: UInt8(ascii: "{")),
                let close = bytes[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
            else {
                return Int(Self.checksum(bytes[...])) % Self.count
            }
            return Int(Self.checksum(bytes[(open + 1)..<close])) % Self.count
        }
    }

    /// CRC-16 of a whole key, whatever tag it has.
    static func checksum(of key: String) -> UInt16 {
        var key = key
        return key.withUTF8 { checksum($0[...]) }
    }

    /// CRC-16/XMODEM: polynomial 0x1021, from zero, not reflected.
    private static func checksum(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> UInt16 {
        let table = table
        var sum: UInt16 = 0
        for byte in bytes { sum = sum << 8 ^ table[Int(sum >> 8 ^ UInt16(byte))] }
        return sum
    }

    private static let table: [UInt16] = (0..<256).map { byte in
        (0..<8).reduce(UInt16(byte) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
    }
}
