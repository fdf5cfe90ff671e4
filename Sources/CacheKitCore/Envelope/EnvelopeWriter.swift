/// The few MessagePack forms that an envelope is written with, each with its shortest header.
enum EnvelopeWriter {
    static func append(binHeader count: Int, to bytes: inout [UInt8]) {
        switch count {
        case ...0xff:
            bytes.append(0xc4)
            bytes.append(UInt8(count))
        case ...0xffff:
            bytes.append(0xc5)
            append(bigEndian: UInt16(count), to: &bytes)
        default:
            bytes.append(0xc6)
            append(bigEndian: UInt32(count), to: &bytes)
        }
    }

    /// An array of 8 integers, one per byte, big-endian.
    static func append(checksum: UInt64, to bytes: inout [UInt8]) {
        bytes.append(0x98)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            append(unsigned: checksum >> shift & 0xff, to: &bytes)
        }
    }

    static func append(unsigned value: UInt64, to bytes: inout [UInt8]) {
        switch value {
        case ...0x7f: bytes.append(UInt8(value))
        case ...0xff:
            bytes.append(0xcc)
            bytes.append(UInt8(value))
        case ...0xffff:
            bytes.append(0xcd)
            append(bigEndian: UInt16(value), to: &bytes)
        case ...0xffff_ffff:
            bytes.append(0xce)
            append(bigEndian: UInt32(value), to: &bytes)
        default:
            bytes.append(0xcf)
            append(bigEndian: value, to: &bytes)
        }
    }

    /// A string below 256 bytes; formats are names like `msgpack`.
    static func append(string: String, to bytes: inout [UInt8]) {
        let utf8 = string.utf8
        precondition(utf8.count <= 0xff, "a format name is short")
        if utf8.count < 32 { bytes.append(0xa0 | UInt8(utf8.count)) } else { bytes += [0xd9, UInt8(utf8.count)] }
        bytes.append(contentsOf: utf8)
    }

    private static func append<Word: FixedWidthInteger>(bigEndian word: Word, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
    }
}
