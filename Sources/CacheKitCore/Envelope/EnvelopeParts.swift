/// The four elements of an envelope, read from untrusted bytes and not yet checked against the limits.
///
/// Reads any width of header, the block as `bin` or as the legacy array of integers, and nothing after the array. Allocates
/// only for the legacy form, and no more than the bytes that are there.
struct EnvelopeParts {
    enum Block {
        case bin(UnsafeRawBufferPointer)
        case integers([UInt8])

        var count: Int {
            switch self {
            case .bin(let bytes): bytes.count
            case .integers(let bytes): bytes.count
            }
        }

        @inline(__always)
        func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
            switch self {
            case .bin(let bytes): body(bytes)
            case .integers(let bytes): bytes.withUnsafeBytes(body)
            }
        }
    }

    let block: Block
    let checksum: UInt64
    let originalByteCount: UInt64
    let format: UnsafeRawBufferPointer

    init(_ envelope: UnsafeRawBufferPointer) throws(CacheError) {
        var reader = Reader(bytes: envelope)
        guard try reader.arrayCount() == 4 else { throw ByteStorage.invalid("is not an array of 4") }
        block = try reader.block()
        guard try reader.arrayCount() == 8 else { throw ByteStorage.invalid("has no checksum of 8 bytes") }
        var checksum: UInt64 = 0
        for _ in 0..<8 { checksum = checksum << 8 | UInt64(try reader.byteValue()) }
        self.checksum = checksum
        originalByteCount = try reader.unsigned()
        format = try reader.string()
        guard reader.isAtEnd else { throw ByteStorage.invalid("has bytes after its end") }
    }

    private struct Reader {
        let bytes: UnsafeRawBufferPointer
        var offset = 0

        var isAtEnd: Bool { offset == bytes.count }

        mutating func byte() throws(CacheError) -> UInt8 {
            guard offset < bytes.count else { throw ByteStorage.invalid("is cut short") }
            defer { offset += 1 }
            return bytes[offset]
        }

        mutating func bigEndian(_ width: Int) throws(CacheError) -> UInt64 {
            var value: UInt64 = 0
            for _ in 0..<width { value = value << 8 | UInt64(try byte()) }
            return value
        }

        mutating func take(_ count: UInt64) throws(CacheError) -> UnsafeRawBufferPointer {
            guard count <= UInt64(bytes.count - offset) else { throw ByteStorage.invalid("is cut short") }
            defer { offset += Int(count) }
            return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + Int(count)])
        }

        mutating func arrayCount() throws(CacheError) -> UInt64 {
            switch try byte() {
            case let head where head & 0xf0 == 0x90: UInt64(head & 0x0f)
            case 0xdc: try bigEndian(2)
            case 0xdd: try bigEndian(4)
            default: throw ByteStorage.invalid("has no array where one belongs")
            }
        }

        mutating func block() throws(CacheError) -> Block {
            let start = offset
            switch try byte() {
            case 0xc4: return .bin(try take(bigEndian(1)))
            case 0xc5: return .bin(try take(bigEndian(2)))
            case 0xc6: return .bin(try take(bigEndian(4)))
            default:
                offset = start
                return .integers(try integers())
            }
        }

        // Every element takes a byte at least, so the count is bounded before anything is allocated.
        private mutating func integers() throws(CacheError) -> [UInt8] {
            let count = try arrayCount()
            guard count <= UInt64(bytes.count - offset) else { throw ByteStorage.invalid("is cut short") }
            var block: [UInt8] = []
            block.reserveCapacity(Int(count))
            for _ in 0..<count { block.append(try byteValue()) }
            return block
        }

        mutating func byteValue() throws(CacheError) -> UInt8 {
            guard let value = UInt8(exactly: try unsigned()) else {
                throw ByteStorage.invalid("has an integer above 255 where a byte belongs")
            }
            return value
        }

        mutating func unsigned() throws(CacheError) -> UInt64 {
            let head = try byte()
            switch head {
            case 0...0x7f: return UInt64(head)
            case 0xcc: return try bigEndian(1)
            case 0xcd: return try bigEndian(2)
            case 0xce: return try bigEndian(4)
            case 0xcf: return try bigEndian(8)
            default: throw ByteStorage.invalid("has no unsigned integer where one belongs")
            }
        }

        mutating func string() throws(CacheError) -> UnsafeRawBufferPointer {
            let head = try byte()
            switch head {
            case 0xa0...0xbf: return try take(UInt64(head & 0x1f))
            case 0xd9: return try take(bigEndian(1))
            case 0xda: return try take(bigEndian(2))
            case 0xdb: return try take(bigEndian(4))
            default: throw ByteStorage.invalid("has no format name")
            }
        }
    }
}
