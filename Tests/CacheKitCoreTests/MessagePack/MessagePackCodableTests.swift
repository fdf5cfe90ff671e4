import CacheKitCore
import Foundation
import Testing

struct MessagePackCodableTests {
    func roundTrip<T: Codable & Equatable>(_ value: T) throws {
        for canonical in [false, true] {
            let bytes = try MessagePackEncoder(canonical: canonical).encode(value)
            #expect(try MessagePackDecoder().decode(T.self, from: bytes) == value)
        }
    }

    enum Shape: Codable, Equatable {
        case none
        case circle(radius: Double)
        indirect case pair(Shape, Shape)
    }

    struct Mixed: Codable, Equatable {
        var id = 42
        var name = "Zoë"
        var score = 2.5
        var ratio: Float = 0.1
        var small: Int8 = -5
        var big: UInt64 = .max
        var missing: String?
        var present: Int? = 7
        var flags = [true, false]
        var blob: [UInt8] = [1, 2, 3]
        var blobs = Data([9, 8])
        var when = Date(timeIntervalSince1970: 1_704_112_245.123456)
        var identifier = UUID()
        var tags: Set<String> = ["a", "b"]
        var counts = [1: "one", 20: "twenty"]
        var names = Dictionary(uniqueKeysWithValues: (0..<20).map { ("k\($0)", $0) })
        var shapes: [Shape] = [.none, .circle(radius: 1), .pair(.none, .circle(radius: 2))]
        var nested: [[Int?]] = [[1, nil], [], Array(0..<40)]
    }

    class Base: Codable {
        var first = 1
        init() {}
    }

    final class Derived: Base {
        var second = "two"
        enum CodingKeys: CodingKey { case second }
        override init() { super.init() }
        required init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            second = try container.decode(String.self, forKey: .second)
            try super.init(from: try container.superDecoder())
        }
        override func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try super.encode(to: container.superEncoder())
            try container.encode(second, forKey: .second)
        }
    }

    /// Interleaves two nested containers and its own fields.
    struct Interleaved: Codable, Equatable {
        var points = Array(0..<20)
        enum CodingKeys: CodingKey { case x, y, z, plain }
        init() {}
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            var x = try container.nestedUnkeyedContainer(forKey: .x)
            let y = try container.nestedContainer(keyedBy: CodingKeys.self, forKey: .y)
            points = []
            while !x.isAtEnd { points.append(try x.decode(Int.self)) }
            guard try y.decode(Int.self, forKey: .z) == 3, try container.decode(String.self, forKey: .plain) == "p"
            else { throw CacheError(.decoding, "wrong") }
        }
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            var x = container.nestedUnkeyedContainer(forKey: .x)
            var y = container.nestedContainer(keyedBy: CodingKeys.self, forKey: .y)
            for point in points { try x.encode(point) }
            try container.encode("p", forKey: .plain)
            try y.encode(3, forKey: .z)
        }
    }

    @Test func `values of every shape survive a round trip in both forms`() throws {
        try roundTrip(Mixed())
        try roundTrip([Mixed(), Mixed()])
        try roundTrip(Interleaved())
        try roundTrip([Interleaved(), Interleaved()])
        try roundTrip(5)
        try roundTrip("text")
        try roundTrip(nil as Int?)
        try roundTrip([nil, 3] as [Int?])
        try roundTrip(Shape.pair(.pair(.none, .none), .circle(radius: -0.0)))
        try roundTrip([String: Int]())
        try roundTrip(Array(0..<70_000))
    }

    @Test func `a class writes its superclass under super`() throws {
        let value = Derived()
        value.first = 9
        let bytes = try MessagePackEncoder().encode(value)
        #expect(try MessagePackValue(decoding: bytes) == ["super": ["first": 9], "second": "two"])
        let read = try MessagePackDecoder().decode(Derived.self, from: bytes)
        #expect(read.first == 9 && read.second == "two")
    }

    @Test func `the canonical form sorts keys and has no float32`() throws {
        struct Unsorted: Codable {
            var b = 1
            var a: Float = 0.5
        }
        let bytes = try MessagePackEncoder(canonical: true).encode(Unsorted())
        #expect(bytes == [0x82, 0xA1, 0x61, 0xCB, 0x3F, 0xE0, 0, 0, 0, 0, 0, 0, 0xA1, 0x62, 0x01])
    }

    @Test func `dates are sentinel maps with microseconds, and any offset and plain dates are read`() throws {
        let date = Date(timeIntervalSince1970: 1_704_112_245.123456)
        let bytes = try MessagePackEncoder(canonical: true).encode(date)
        #expect(
            try MessagePackValue(decoding: bytes)
                == ["__datetime__": true, "value": "2024-01-01T12:30:45.123456+00:00"])
        let offset: MessagePackValue = ["__datetime__": true, "value": "2024-01-01T18:00:45.123456+05:30"]
        #expect(try MessagePackDecoder().decode(Date.self, from: try offset.encoded()) == date)
        let day: MessagePackValue = ["__date__": true, "value": "2024-01-01"]
        #expect(
            try MessagePackDecoder().decode(Date.self, from: try day.encoded())
                == Date(timeIntervalSince1970: 1_704_067_200))
        let naive: MessagePackValue = ["__datetime__": true, "value": "2024-01-01T18:00:45"]
        #expect(throws: CacheError.self) { try MessagePackDecoder().decode(Date.self, from: try naive.encoded()) }
    }

    @Test func `a date keeps its microsecond through a round trip from 1900 to 2200`() throws {
        // 2110: over 2^32 seconds since 1970, where a sum with that epoch would round to whole microseconds.
        var texts = ["2110-07-26T09:00:23.556749+00:00"]
        for index in 0..<20_000 {
            let digits = String(1_000_000 + (index * 7_919_777 + 1) % 1_000_000).dropFirst()
            texts.append("\(1900 + index % 300)-0\(1 + index % 9)-\(10 + index % 18)T09:00:23.\(digits)+00:00")
        }
        for text in texts {
            let sentinel: MessagePackValue = ["__datetime__": true, "value": .string(text)]
            let date = try MessagePackDecoder().decode(Date.self, from: sentinel.encoded())
            #expect(try MessagePackValue(decoding: MessagePackEncoder().encode(date)) == sentinel)
        }
    }

    @Test func `an error names the fields, and no dictionary key and no value`() throws {
        struct Outer: Codable {
            var rows: [String: [Row]]
            struct Row: Codable { var count: Int8 }
        }
        let bytes = try MessagePackValue(
            dictionaryLiteral: ("rows", ["secret-key": [["count": 300]]])
        ).encoded()
        let error = #expect(throws: CacheError.self) { try MessagePackDecoder().decode(Outer.self, from: bytes) }
        #expect(error?.code == .decoding)
        #expect(error?.message.contains("rows.*.[0].count") == true)
        #expect(error?.cause is DecodingError)
        let everything = String(reflecting: error)
        #expect(!everything.contains("secret-key") && !everything.contains("300"))
    }

    @Test func `a hand-written count that is wrong is refused`() {
        struct Wrong: MessagePackEncodable {
            func encode(to writer: inout MessagePackWriter) throws(CacheError) {
                writer.writeArrayHeader(count: 2)
                writer.write(1)
            }
        }
        let error = #expect(throws: CacheError.self) { try MessagePackEncoder().encode(Wrong()) }
        #expect(error?.code == .encoding)
    }

    @Test func `a type that nests without end is an error, not a crash`() {
        struct Endless: Encodable {
            func encode(to encoder: any Encoder) throws {
                var container = encoder.unkeyedContainer()
                try container.encode(Endless())
            }
        }
        #expect(throws: CacheError.self) { try MessagePackEncoder().encode(Endless()) }
    }

    @Test func `moments keep every microsecond from year 1 to 9999`() throws {
        var random = SeededGenerator(seed: 7)
        for _ in 0..<2_000 {
            let moment = InteropDateTime(
                microseconds: Int64.random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random))
            #expect(try InteropDateTime(iso8601: try #require(moment.iso8601)) == moment)
        }
        for text in [
            "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:60Z", "2024-01-01T00:00:00", "2024-01-01",
            "",
        ] {
            #expect(throws: CacheError.self) { try InteropDateTime(iso8601: text) }
        }
    }
}
