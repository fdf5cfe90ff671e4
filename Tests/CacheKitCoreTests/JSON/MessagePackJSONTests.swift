import CacheKitCore
import Testing

struct MessagePackJSONTests {
    private static func read(_ text: String) throws(CacheError) -> MessagePackValue {
        try MessagePackValue(json: Array(text.utf8))
    }

    private static func write(_ value: MessagePackValue) -> String { String(decoding: value.json, as: UTF8.self) }

    private static let readings: [(String, MessagePackValue)] = [
        ("null", nil), (" true ", true), ("false", false), ("0", 0), ("-0", 0), ("2", 2), ("2.0", 2.0),
        ("-2.5e3", -2500.0), ("1E2", 100.0), ("1e-2", 0.01), ("9223372036854775807", .int(.max)),
        ("9223372036854775808", .uint(1 << 63)), ("18446744073709551615", .uint(.max)),
        ("-9223372036854775808", .int(.min)), ("[]", []), ("{}", [:]), ("[ 1 ,\t[2 ]\r\n]", [1, [2]]),
        ("{\"b\":1,\"a\":{\"\":null}}", ["b": 1, "a": ["": nil]]), ("\"\"", ""),
    ]

    @Test(arguments: readings)
    func `a value is read as what it says`(text: String, value: MessagePackValue) throws {
        #expect(try Self.read(text) == value)
    }

    @Test func `integers stay integers and floats stay floats, there and back`() throws {
        for (text, written) in [("2", "2"), ("2.0", "2.0"), ("-0.0", "-0.0"), ("1e300", "1e+300")] {
            #expect(Self.write(try Self.read(text)) == written)
        }
        #expect(try Self.read("-0.0") == .double(-0.0))
        guard case .double(let zero) = try Self.read("-0.0") else {
            Issue.record("not a float")
            return
        }
        #expect(zero.sign == .minus)
    }

    @Test func `escapes give their characters, in both directions`() throws {
        #expect(
            try Self.read(#""\"\\\/\b\f\n\r\tAé€""#) == .string("\"\\/\u{8}\u{C}\n\r\tAé€"))
        #expect(
            Self.write("\"\\/\u{8}\u{C}\n\r\t\u{0}\u{1F}\u{7F}é") == #""\"\\/\u0008\u000c\n\r\t\u0000\u001f\u007fé""#)
        #expect(try Self.read(#""\u00e9\u00E9""#) == .string("éé"))
    }

    @Test func `surrogate pairs join to one scalar, and half a pair is refused`() throws {
        #expect(try Self.read(#""\ud83d\ude00\uD834\uDD1E""#) == .string("😀𝄞"))
        #expect(try Self.read(#""\udbff\udfff\ud800\udc00""#) == .string("\u{10FFFF}\u{10000}"))
        for half in [
            #""\ud83d""#, #""\ud83dx""#, #""\ude00""#, #""\ud83d\n""#, #""\ud83d\ud83d""#, #""\ud83d\u0041""#,
            #""\ude00\ud83d""#,
        ] {
            #expect(throws: CacheError.self, "\(half)") { try Self.read(half) }
        }
    }

    @Test func `bytes and floats that JSON lacks have a tag`() throws {
        #expect(try Self.read(#"{"$bytes":"00fFa0"}"#) == .bytes([0, 255, 160]))
        #expect(try Self.read(#"{"$bytes":""}"#) == .bytes([]))
        #expect(Self.write(.bytes([0, 255])) == #"{"$bytes":"00ff"}"#)
        #expect(try Self.read(#"{"$float":"inf"}"#) == .double(.infinity))
        #expect(try Self.read(#"{"$float":"-inf"}"#) == .double(-.infinity))
        for value in [Double.nan, -.nan, .signalingNaN, .infinity, -.infinity] {
            guard case .double(let read) = try MessagePackValue(json: MessagePackValue.double(value).json) else {
                Issue.record("not a float")
                return
            }
            #expect(read == value || (read.isNaN && value.isNaN))
        }
        for text in [#"{"$bytes":"0"}"#, #"{"$bytes":"0g"}"#, #"{"$bytes":"0x"}"#, #"{"$float":"many"}"#] {
            #expect(throws: CacheError.self, "\(text)") { try Self.read(text) }
        }
    }

    @Test func `a map that looks like a tag comes back as the map it was`() throws {
        let maps: [MessagePackValue] = [
            ["$bytes": "00ff"], ["$bytes": "not hex"], ["$float": "nan"], ["$$bytes": "00"], ["$$$float": "x"],
            ["$bytes": 1], ["$bytes": "00", "more": 1], ["$": "x"], ["$other": "x"], ["a": ["$bytes": "00"]],
            ["$$": "x"],
        ]
        for map in maps {
            #expect(try MessagePackValue(json: map.json) == map, "\(Self.write(map))")
        }
        #expect(Self.write(["$bytes": "00"]) == #"{"$$bytes":"00"}"#)
    }

    @Test func `names that differ only by Unicode normalisation are two names`() throws {
        let map: MessagePackValue = ["caf\u{E9}": 1, "cafe\u{301}": 2]
        let read = try MessagePackValue(json: map.json)
        guard case .map(let entries) = read else {
            Issue.record("not a map")
            return
        }
        #expect(entries.map { Array($0.key.utf8) } == ["caf\u{E9}", "cafe\u{301}"].map { Array($0.utf8) })
    }

    @Test func `what MessagePack may nest, JSON may nest, and one level more is refused`() throws {
        let deepest = MessagePackDecoder.defaultMaximumDepth
        let bytes = [UInt8](repeating: 0x91, count: deepest) + [1]
        let value = try MessagePackValue(decoding: bytes)
        #expect(try MessagePackValue(json: value.json) == value)
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            let text = String(repeating: open, count: deepest) + "1" + String(repeating: close, count: deepest)
            #expect(throws: Never.self) { try Self.read(text) }
            let error = #expect(throws: CacheError.self) { try Self.read(open + text + close) }
            #expect(error?.code == .decoding)
        }
        #expect(throws: CacheError.self) { try Self.read(String(repeating: "[", count: 1_000_000)) }
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "True", "tru", "+1", "01", "-01", "-", ".5", "5.", "1.e3", "1e", "1e+", "0x10", "1_0",
        "NaN", "Infinity", "1e999", "18446744073709551616", "-9223372036854775809", "[", "]", "[1", "[1,", "[1,]",
        "[,1]",
        "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:2}", "{\"a\" 1}",
        "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":2}", "\"", "\"a", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
        "\"\\u+123\"", "\"a\nb\"", "\"\u{1}\"", "1 1", "[] x", "'a'", "\u{FEFF}1", "// 1", "1 // one", "\"a\"\u{0}",
    ])
    func `text that is not JSON is refused by the byte where it stands, and shown nowhere`(text: String) {
        let error = #expect(throws: CacheError.self, "\(text)") { try Self.read(text) }
        #expect(error?.code == .decoding)
        #expect(error?.message.contains("at byte") == true)
        #expect(error?.message.contains("\n") == false)
    }

    @Test func `a string that is not UTF-8 is refused`() {
        for bytes: [UInt8] in [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]] {
            #expect(throws: CacheError.self) { try MessagePackValue(json: [0x22] + bytes + [0x22]) }
        }
    }

    @Test func `random values come back equal through JSON`() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let value = Self.value(depth: 0, using: &random)
            let json = value.json
            let read = try MessagePackValue(json: json)
            // By their MessagePack, which compares strings by bytes and tells 2 from 2.0.
            #expect(try read.encoded() == value.encoded(), "seed \(seed)")
            #expect(!json.contains(0x0A))
            #expect(read.json == json)
        }
    }

    @Test func `random bytes are read or refused, never a crash`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let alphabet = Array(#"[]{}:,"\u0123456789dDaAeE+-.truefalsn $b "#.utf8) + [0x80, 0xc3, 0xa9, 0]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...24, using: &random)).compactMap { _ in
                alphabet.randomElement(using: &random)
            }
            do {
                let value = try MessagePackValue(json: text)
                #expect(try MessagePackValue(json: value.json) == value, "seed \(seed)")
            } catch {
                #expect(error.code == .decoding, "seed \(seed)")
            }
        }
    }

    private static func value(depth: Int, using random: inout SeededGenerator) -> MessagePackValue {
        switch Int.random(in: 0..<(depth < 4 ? 10 : 8), using: &random) {
        case 0: return .nil
        case 1: return .bool(.random(using: &random))
        case 2:
            return .integer(
                UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0..<64, using: &random))
        case 3: return .int(Int64.random(in: Int64.min...(-1), using: &random))
        case 4:
            let double = Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random))
            return .double(double.isNaN ? 0.5 : double)
        case 5: return .double(Double(Int.random(in: -5...5, using: &random)))
        case 6: return .string(string(using: &random))
        case 7: return .bytes((0..<Int.random(in: 0...9, using: &random)).map { UInt8($0 * 28) })
        case 8:
            return .array(
                (0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth: depth + 1, using: &random) })
        default:
            return .map(
                (0..<Int.random(in: 0...4, using: &random)).map { number in
                    let key = ["$", "$$", "\(number)", "é"].randomElement(using: &random) ?? ""
                    return MessagePackValue.Entry(
                        key: key + "\(number)" + string(using: &random), value: value(depth: depth + 1, using: &random))
                })
        }
    }

    private static func string(using random: inout SeededGenerator) -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "\n", "\u{0}", "\u{7F}", "é", "\u{301}", "€", "😀", "\u{10FFFF}",
        ]
        var text = ""
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            text.unicodeScalars.append(scalars.randomElement(using: &random) ?? "a")
        }
        return text
    }
}
