import CacheKitCore
import Testing

@testable import CacheKitRedis

// A stream has no seams: a reply is the same whatever pieces it comes in, and is never given before its last byte.
@Suite struct RESPSplitTests {
    private static let replies: [(name: String, text: String, value: RESPValue)] = [
        ("simple string", "+OK\r\n", .simpleString("OK")),
        ("empty simple string", "+\r\n", .simpleString("")),
        ("error", "-WRONGTYPE Operation\r\n", .error("WRONGTYPE Operation")),
        ("empty error", "-\r\n", .error("")),
        ("integer", ":42\r\n", .integer(42)),
        ("smallest integer", ":-9223372036854775808\r\n", .integer(.min)),
        ("largest integer", ":9223372036854775807\r\n", .integer(.max)),
        ("bulk string", "$5\r\na\0b\u{7f}c\r\n", .bulkString([97, 0, 98, 127, 99])),
        (
            "bulk string that looks like replies", "$13\r\n+OK\r\n:1\r\n$-1\r\r\n",
            .bulkString(Array("+OK\r\n:1\r\n$-1\r".utf8))
        ),
        ("empty bulk string", "$0\r\n\r\n", .bulkString([])),
        ("null bulk string", "$-1\r\n", .null),
        ("null array", "*-1\r\n", .null),
        ("empty array", "*0\r\n", .array([])),
        (
            "array of everything", "*7\r\n+a\r\n-b\r\n:1\r\n$1\r\nc\r\n$-1\r\n*0\r\n*-1\r\n",
            .array([.simpleString("a"), .error("b"), .integer(1), .bulkString([99]), .null, .array([]), .null])
        ),
        (
            "nested array", "*2\r\n*2\r\n*1\r\n:1\r\n$1\r\nx\r\n*1\r\n*0\r\n",
            .array([.array([.array([.integer(1)]), .bulkString([120])]), .array([.array([])])])
        ),
    ]

    /// The replies in bytes that arrive in pieces, and how many were complete after each piece.
    private func read(_ pieces: [ArraySlice<UInt8>]) throws -> (replies: [RESPValue], counts: [Int]) {
        let reader = try RESPReader(maximumValueBytes: 1024)
        var replies: [RESPValue] = []
        var counts: [Int] = []
        for piece in pieces {
            try piece.withUnsafeBytes { try reader.feed($0) }
            while let reply = try reader.next() { replies.append(reply) }
            counts.append(replies.count)
        }
        return (replies, counts)
    }

    private func bytes(_ number: Int) -> [UInt8] { Array(Self.replies[number].text.utf8) }

    @Test(arguments: replies.indices)
    func `a reply split at any byte is given once, and only when it is whole`(_ number: Int) throws {
        let bytes = bytes(number)
        let value = Self.replies[number].value
        for split in 1..<bytes.count {
            let (replies, counts) = try read([bytes[..<split], bytes[split...]])
            #expect(replies == [value], "split at \(split)")
            #expect(counts == [0, 1], "split at \(split)")
        }
        let (replies, counts) = try read(bytes.indices.map { bytes[$0...$0] })
        #expect(replies == [value])
        #expect(counts == Array(repeating: 0, count: bytes.count - 1) + [1])
    }

    @Test func `a pipeline of all of them split at any byte gives each as soon as it is whole`() throws {
        let all = Self.replies.indices.flatMap { bytes($0) }
        let values = Self.replies.map(\.value)
        let ends = Self.replies.indices.map { number in (0...number).reduce(0) { $0 + bytes($1).count } }
        for split in 1..<all.count {
            let (replies, counts) = try read([all[..<split], all[split...]])
            #expect(replies == values, "split at \(split)")
            #expect(counts == [ends.count { $0 <= split }, values.count], "split at \(split)")
        }
        let (replies, counts) = try read(all.indices.map { all[$0...$0] })
        #expect(replies == values)
        #expect(counts == all.indices.map { index in ends.count { $0 <= index + 1 } })
    }
}
