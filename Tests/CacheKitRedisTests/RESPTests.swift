import CacheKitCore
import Testing

@testable import CacheKitRedis

@Suite struct RESPTests {
    private func feed(_ bytes: [UInt8], _ reader: RESPReader) throws {
        try bytes.withUnsafeBytes { try reader.feed($0) }
    }

    @Test func `a command is an array of bulk strings`() {
        var writer = RESPWriter()
        writer.command("SET", "kéy", "")
        writer.command([[0, 13, 10], Array(repeating: 65, count: 12)])
        #expect(
            writer.bytes
                == Array("*3\r\n$3\r\nSET\r\n$4\r\nkéy\r\n$0\r\n\r\n*2\r\n$3\r\n".utf8) + [0, 13, 10]
                + Array("\r\n$12\r\nAAAAAAAAAAAA\r\n".utf8))
        #expect(writer.commandCount == 2)
    }

    @Test(arguments: [0, 9, 10, 99, 100, 86_400_000, Int64.max])
    func `a number is an argument in decimal digits`(_ number: Int64) {
        var writer = RESPWriter()
        writer.append(number)
        #expect(writer.bytes == Array("$\(String(number).utf8.count)\r\n\(number)\r\n".utf8))
    }

    @Test func `every kind of reply is read, also byte by byte`() throws {
        let stream =
            "+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\0b\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n$-1\r\n+PONG\r\n"
        let expected: [RESPValue] = [
            .simpleString("OK"), .error("ERR no"), .integer(-42), .bulkString([97, 0, 98]), .bulkString([]), .null,
            .null, .array([]), .array([.integer(1), .array([.bulkString([120]), .array([])]), .null]),
            .simpleString("PONG"),
        ]
        for step in [1, 2, 3, 7, stream.utf8.count] {
            let reader = try RESPReader(maximumValueBytes: 1024)
            var replies: [RESPValue] = []
            var rest = Array(stream.utf8)[...]
            while !rest.isEmpty {
                try feed(Array(rest.prefix(step)), reader)
                rest = rest.dropFirst(step)
                while let reply = try reader.next() { replies.append(reply) }
            }
            #expect(replies == expected)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", "\0\0\0\0", "$x\r\n", "$-2\r\nab\r\n", ":12a\r\n", "*-2\r\n",
        "*99999999999\r\n",
        "*2147483647\r\n", "$9223372036854775808\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    ])
    func `bytes that are no reply fail the reader for good`(_ text: String) throws {
        let reader = try RESPReader(maximumValueBytes: 1024)
        let error = #expect(throws: CacheError.self) {
            try feed(Array(text.utf8), reader)
            _ = try reader.next()
        }
        #expect(error?.code == .remoteProtocol)
        #expect(throws: CacheError.self) { try reader.next() }
    }

    @Test func `a string over the limit fails before it is complete`() throws {
        let reader = try RESPReader(maximumValueBytes: 1000)
        try feed(Array("$100000\r\n".utf8), reader)
        #expect(try reader.next() == nil)
        try feed(Array(repeating: 0, count: 1100), reader)
        let error = #expect(throws: CacheError.self) { try reader.next() }
        #expect(error?.code == .remoteProtocol)
        #expect(error?.message.contains("maximumReplyBytes") == true)
    }

    @Test func `many strings over the limit together fail`() throws {
        let reader = try RESPReader(maximumValueBytes: 1 << 20)
        var writer = RESPWriter()
        writer.command(Array(repeating: Array(repeating: 1, count: 1 << 19), count: 5))
        try feed(writer.bytes, reader)
        #expect(throws: CacheError.self) { try reader.next(valueCount: 1) }
        let other = try RESPReader(maximumValueBytes: 1 << 20)
        try feed(writer.bytes, other)
        #expect(try other.next(valueCount: 3) != nil)
    }

    @Test func `random bytes never crash the reader`() throws {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("*$+-:0123456789\r\n\r\nxyz".utf8)
        for _ in 0..<2000 {
            let bytes = (0..<64).map { _ in alphabet.randomElement(using: &generator)! }
            let reader = try RESPReader(maximumValueBytes: 1024)
            do {
                try feed(bytes, reader)
                while try reader.next() != nil {}
            } catch {
                #expect((error as? CacheError)?.code == .remoteProtocol, "bytes: \(bytes)")
            }
        }
    }

    @Test(arguments: [
        ("NOAUTH Authentication required.", CacheError.Code.remoteAuthentication),
        ("WRONGPASS invalid username-password pair", .remoteAuthentication),
        ("NOPERM this user", .remoteAuthentication),
        ("LOADING Redis is loading", .remoteNotReady), ("READONLY You can't write", .remoteNotReady),
        ("OOM command not allowed", .remoteNotReady), ("BUSY Redis is busy", .remoteNotReady),
        ("TRYAGAIN x", .remoteNotReady), ("CLUSTERDOWN x", .remoteNotReady), ("MASTERDOWN x", .remoteNotReady),
        ("WRONGTYPE Operation", .remoteRejected), ("ERR unknown command", .remoteRejected), ("", .remoteRejected),
        ("SECRETKEY oops", .remoteRejected),
    ])
    func `an error reply becomes the code of its first word`(_ text: String, _ code: CacheError.Code) {
        let error = CacheError.redisReply(text + " users:42")
        #expect(error.code == code)
        #expect(!error.message.contains("users:42"))
        #expect(!error.message.contains("SECRETKEY"))
    }
}
