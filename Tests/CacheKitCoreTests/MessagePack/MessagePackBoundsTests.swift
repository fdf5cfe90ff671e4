import CacheKitCore
import Testing

/// A small generator with a printed seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func value(depth: Int = 0) -> MessagePackValue {
        switch Int.random(in: 0..<(depth > 4 ? 7 : 9), using: &self) {
        case 0: return .nil
        case 1: return .bool(Bool.random(using: &self))
        case 2: return .int(Int64(bitPattern: next()) >> Int64.random(in: 0..<64, using: &self))
        case 3: return .integer(next())
        case 4: return .double(Double(Int64(bitPattern: next())) / 7)
        case 5:
            return .string(
                String((0..<Int.random(in: 0..<40, using: &self)).map { _ in "aé✓𐀀".randomElement(using: &self)! }))
        case 6:
            return .bytes(
                (0..<Int.random(in: 0..<300, using: &self)).map { _ in UInt8.random(in: 0...255, using: &self) })
        case 7: return .array((0..<Int.random(in: 0..<20, using: &self)).map { _ in value(depth: depth + 1) })
        default:
            return .map(
                (0..<Int.random(in: 0..<20, using: &self)).map { .init(key: "k\($0)", value: value(depth: depth + 1)) })
        }
    }
}

struct MessagePackBoundsTests {
    static func refusal(_ bytes: [UInt8], maximumDepth: Int = 128) -> CacheError? {
        do {
            _ = try MessagePackValue(decoding: bytes, maximumDepth: maximumDepth)
            return nil
        } catch {
            return error
        }
    }

    @Test func `generated values survive a round trip, and every prefix and extension of them is refused`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let value = random.value()
            let bytes = try value.encoded()
            #expect(try MessagePackValue(decoding: bytes) == value, "seed \(seed)")
            let step = max(1, bytes.count / 200)
            for length in stride(from: 0, to: bytes.count, by: step) {
                #expect(Self.refusal(Array(bytes[..<length]))?.code == .decoding, "seed \(seed)")
            }
            #expect(Self.refusal(bytes + [0xC0]) != nil)
            let canonical = try value.encoded(canonical: true)
            #expect(try MessagePackValue(decoding: canonical).encoded(canonical: true) == canonical)
            #expect(canonical.count == bytes.count)
        }
    }

    @Test func `random bytes decode or are refused, and never crash`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        var refused = 0
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<64, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if Self.refusal(bytes) != nil { refused += 1 }
            _ = try? MessagePackDecoder().decode([String: [Int]].self, from: bytes)
            _ = try? MessagePackEncoder(canonical: true).encode(Transcribed(bytes: bytes))
        }
        #expect(refused > 10_000, "seed \(seed)")
    }

    @Test func `length bombs are refused before anything is allocated`() {
        for header: UInt8 in [0xC6, 0xDB, 0xDD, 0xDF] {
            #expect(Self.refusal([header, 0xFF, 0xFF, 0xFF, 0xFF]) != nil)
            #expect(Self.refusal([0x92, header, 0xFF, 0xFF, 0xFF, 0xFF, 0xC0]) != nil)
        }
        // Nested arrays that each claim what is left.
        #expect(Self.refusal([0xDC, 0x00, 0x08, 0xDC, 0x00, 0x06, 0xC0, 0xC0, 0xC0, 0xC0, 0xC0, 0xC0]) != nil)
    }

    @Test func `nesting is accepted up to the limit, and a depth bomb is refused`() throws {
        for depth in [32, 128, 1024] {
            let nested = [UInt8](repeating: 0x91, count: depth) + [0xC0]
            #expect(Self.refusal(nested, maximumDepth: depth) == nil)
            #expect(Self.refusal([0x91] + nested, maximumDepth: depth)?.code == .decoding)
        }
        #expect(Self.refusal([UInt8](repeating: 0x91, count: 1025) + [0xC0], maximumDepth: .max) != nil)
        #expect(Self.refusal([UInt8](repeating: 0x91, count: 100_000) + [0xC0]) != nil)
        #expect(Self.refusal([UInt8](repeating: 0x81, count: 100_000)) != nil)
    }

    @Test func `an entry in the Python SDK's own mode is named`() {
        let error = Self.refusal([0x43, 0x4B, 0x03, 0x00])
        #expect(error?.message.contains("Python SDK in its own mode") == true)
    }

    @Test func `extension types, unused bytes, invalid UTF-8 and keys that are no strings are refused`() {
        let refused: [[UInt8]] = [
            [], [0xC1], [0xD4, 0x01, 0x00], [0xC7, 0x00, 0x01], [0xA1, 0xFF], [0xA2, 0xC0, 0x80],
            [0xA3, 0xED, 0xA0, 0x80],
            [0x81, 0x01, 0x02],
        ]
        for bytes in refused { #expect(Self.refusal(bytes)?.code == .decoding) }
    }

    @Test func `every width is read, and the shortest is written`() throws {
        let ladder: [(Int64, Int)] = [
            (0, 1), (127, 1), (128, 2), (255, 2), (256, 3), (65535, 3), (65536, 5), (4_294_967_295, 5),
            (4_294_967_296, 9), (-1, 1), (-32, 1), (-33, 2), (-128, 2), (-129, 3), (-32768, 3), (-32769, 5),
            (-2_147_483_648, 5), (-2_147_483_649, 9), (.min, 9), (.max, 9),
        ]
        for (value, width) in ladder {
            let bytes = try MessagePackValue.int(value).encoded()
            #expect(bytes.count == width)
            #expect(try MessagePackValue(decoding: bytes) == .int(value))
        }
        #expect(try MessagePackValue(decoding: [0xCF, 0, 0, 0, 0, 0, 0, 0, 7]) == 7)
        #expect(try MessagePackValue(decoding: [0xD3, 0, 0, 0, 0, 0, 0, 0, 7]) == 7)
        #expect(try MessagePackValue(decoding: [0xCA, 0x40, 0, 0, 0]) == 2.0)
        #expect(try MessagePackValue(decoding: [0xDB, 0, 0, 0, 1, 0x61]) == "a")
        #expect(try MessagePackValue(decoding: [0xDF, 0, 0, 0, 1, 0xD9, 1, 0x61, 0xDD, 0, 0, 0, 0]) == ["a": []])
    }
}

/// Bytes that claim to be a value.
struct Transcribed: MessagePackEncodable {
    let bytes: [UInt8]
    func encode(to writer: inout MessagePackWriter) throws(CacheError) {
        let value = try MessagePackValue(decoding: bytes)
        try value.encode(to: &writer)
    }
}
