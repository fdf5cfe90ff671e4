import Foundation
import Testing

@testable public import CacheKitCore

/// Wider than the integers of the model.
extension Int128: InteropArgumentConvertible {}

struct InteropArgumentConvertibleTests {
    private enum Level: Int, InteropArgumentConvertible { case low = 1, high = 9 }

    @Test func `types of the standard library are the arguments of the model`() throws {
        func expect(_ value: some InteropArgumentConvertible, _ argument: InteropArgument) throws {
            #expect(try value.interopArgument == argument)
        }
        try expect(true, .bool(true))
        try expect(-7, .int(-7))
        try expect(Int8.min, .int(-128))
        try expect(UInt16.max, .int(65535))
        try expect(Int64.min, .int(.min))
        try expect(UInt64.max, .uint(.max))
        try expect(2.5, .float(2.5))
        try expect("cafe\u{301}", .string("cafe\u{301}"))
        try expect("cut short".prefix(3), .string("cut"))
        try expect(Level.high, .int(9))
        try expect(Int?.none, .nil)
        try expect(Optional(1), .int(1))
        try expect([Optional("a"), nil], .array([.string("a"), .nil]))
        try expect([[1], []], .array([.array([.int(1)]), .array([])]))
        try expect(InteropArgument.set([1]), .set([1]))
        try expect(MessagePackValue.bytes([1]), .bytes([1]))
    }

    @Test func `bytes are a byte string, however many, and an empty array of others is an array`() throws {
        #expect(try [UInt8]().interopArgument == .bytes([]))
        #expect(try [UInt8](0...3).interopArgument == .bytes([0, 1, 2, 3]))
        #expect(try [[UInt8(7)]].interopArgument == .array([.bytes([7])]))
        #expect(try [Int]().interopArgument == .array([]))
        #expect(Data([1, 2]).interopArgument == .bytes([1, 2]))
    }

    @Test func `sets and dictionaries are canonical, whatever their order`() throws {
        let set = try Set(["b", "a", "c"]).interopArgument
        #expect(try InteropArgument.canonicalBytes(of: [set]) == InteropArgument.canonicalBytes(of: [["a", "b", "c"]]))
        let map = try ["b": [2], "a": []].interopArgument
        #expect(
            try InteropArgument.canonicalBytes(of: [map]) == InteropArgument.canonicalBytes(of: [["a": [], "b": [2]]]))
    }

    @Test func `a date is its microseconds and a UUID its text`() throws {
        let date = Date(timeIntervalSince1970: 1_700_000_000.123_456)
        #expect(try date.interopArgument == .dateTime(microseconds: 1_700_000_000_123_456))
        let text = "0F0E0D0C-0B0A-4908-8706-050403020100"
        let uuid = try #require(UUID(uuidString: text))
        #expect(uuid.interopArgument == .uuid(try InteropUUID(text)))
    }

    @Test func `what has no form on the wire is an encoding error`() {
        func expectRefusal(_ value: some InteropArgumentConvertible) {
            #expect(throws: CacheError.self) { try value.interopArgument }
        }
        expectRefusal(Date(timeIntervalSince1970: 1e300))
        expectRefusal([Date?.some(.init(timeIntervalSince1970: -1e300))])
        expectRefusal(["key": Int128.max])
    }
}
