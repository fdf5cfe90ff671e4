import CacheKitCore
import Foundation
import Testing

@testable import CacheKitRedis

// Bytes from a server that is broken or means harm: a typed error, within bounds, at the latest where the bound is reached.
@Suite struct HostileReplyTests {
    private static let limit = 1024

    private func feed(_ bytes: [UInt8], to reader: RESPReader) throws -> [RESPValue] {
        var replies: [RESPValue] = []
        try bytes.withUnsafeBytes { try reader.feed($0) }
        while let reply = try reader.next() { replies.append(reply) }
        return replies
    }

    private func makeReader() throws -> RESPReader { try RESPReader(maximumValueBytes: Self.limit) }

    @Test(arguments: [
        // Lengths and counts that are none.
        "$\r\n", "$ 1\r\n", "$1x\r\n", "$-\r\n", "$-2\r\n", "$-9223372036854775808\r\n", "$-9223372036854775809\r\n",
        "$9223372036854775808\r\n", "$18446744073709551616\r\n", "*\r\n", "*x\r\n", "*-2\r\n", "*-2147483649\r\n",
        "*2147483648\r\n", "*9223372036854775807\r\n", "*18446744073709551617\r\n",
        // Integers out of range, or none.
        ":\r\n", ":-\r\n", ":1.5\r\n", ":0x1\r\n", ":9223372036854775808\r\n", ":-9223372036854775809\r\n",
        ":\(String(repeating: "9", count: 400))\r\n",
        // Types of protocol version 3, which was not asked for, and none at all.
        "%1\r\n", "~1\r\n", "_\r\n", "#t\r\n", ",1.5\r\n", "(1\r\n", ">1\r\n", "=5\r\n", "|1\r\n", "\r\n", "x\r\n",
        "\u{ff}\r\n", "GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
    ])
    func `what is no reply is a protocol error, alone and within an array`(_ text: String) throws {
        for prefix in ["", "*2\r\n", "*1\r\n*3\r\n:1\r\n", "+OK\r\n"] {
            let reader = try makeReader()
            let error = #expect(throws: CacheError.self) { try feed(Array((prefix + text).utf8), to: reader) }
            #expect(error?.code == .remoteProtocol)
            // For good: what follows could be taken for the reply to another command.
            let again = #expect(throws: CacheError.self) { try feed(Array("+OK\r\n".utf8), to: reader) }
            #expect(again?.code == .remoteProtocol)
        }
    }

    @Test func `nesting is bounded`() throws {
        func nested(_ depth: Int) -> [UInt8] { Array((String(repeating: "*1\r\n", count: depth) + ":1\r\n").utf8) }
        #expect(try feed(nested(7), to: makeReader()).count == 1)
        for depth in [10, 1000, 100_000] {
            let error = #expect(throws: CacheError.self) { try feed(nested(depth), to: makeReader()) }
            #expect(error?.code == .remoteProtocol)
        }
    }

    @Test(arguments: ["+", "-", ":", "$", "*", "*1\r\n+", "$2000\r\n"])
    func `a line or string without an end is given up soon after the limit`(_ start: String) throws {
        let reader = try makeReader()
        #expect(try feed(Array(start.utf8), to: reader).isEmpty)
        var sent = 0
        let error = #expect(throws: CacheError.self) {
            while sent < 100 * Self.limit {
                sent += 100
                _ = try feed(Array(repeating: UInt8(ascii: "1"), count: 100), to: reader)
            }
        }
        #expect(error?.code == .remoteProtocol)
        #expect(sent <= Self.limit + 200)
    }

    @Test func `a reply that ends at the limit is taken, and one byte more is not`() throws {
        for start in ["+", "-", "*1\r\n+"] {
            let line = Array(start.utf8) + Array(repeating: 120, count: Self.limit)
            #expect(try feed(line + [13, 10], to: makeReader()).count == 1)
            #expect(throws: CacheError.self) { try feed(line + [120, 13, 10], to: makeReader()) }
        }
        let string = Array(repeating: UInt8(120), count: Self.limit)
        #expect(try feed(Array("$\(Self.limit)\r\n".utf8) + string + [13, 10], to: makeReader()).count == 1)
        #expect(throws: CacheError.self) {
            try feed(Array("$\(Self.limit + 1)\r\n".utf8) + string + [120, 13, 10], to: makeReader())
        }
    }

    @Test func `arrays that promise much reserve little, and endless ones end at the bound`() throws {
        // As many elements as the bound lets in, at every level: each is believed as its elements come.
        let start = residentBytes()
        var readers: [RESPReader] = []
        for _ in 0..<100 {
            let reader = try makeReader()
            #expect(try feed(Array(String(repeating: "*32000\r\n", count: 7).utf8), to: reader).isEmpty)
            readers.append(reader)
        }
        #expect(residentBytes() - start < 64 << 20)
        #expect(readers.count == 100)
        // Seven levels of them are never complete; the sum is bounded, not each level.
        let reader = try makeReader()
        _ = try feed(Array("*30000\r\n".utf8), to: reader)
        var elements = 0
        let error = #expect(throws: CacheError.self) {
            while elements < 1_000_000 {
                _ = try feed(Array("*100\r\n".utf8) + Array(String(repeating: ":1\r\n", count: 100).utf8), to: reader)
                elements += 100
            }
        }
        #expect(error?.code == .remoteProtocol)
        #expect(elements < 40_000)
    }

    /// Of this process (https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html); 0 where there is no such file.
    private func residentBytes() -> Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        return (text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 4096
    }

    @Test func `every seed of the fuzzer is read the same in every kind of pieces`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fuzz/Corpus/FuzzRESP")
        let seeds = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(seeds.count >= 15)
        for seed in seeds {
            let bytes = Array(try Data(contentsOf: folder.appending(path: seed)))
            let results = try [1, 3, bytes.count].map { size -> [RESPValue?] in
                let reader = try makeReader()
                var replies: [RESPValue?] = []
                do {
                    for start in stride(from: 0, to: bytes.count, by: size) {
                        // One at a time, so that replies before the fault are seen.
                        let piece = Array(bytes[start..<min(start + size, bytes.count)])
                        try piece.withUnsafeBytes { try reader.feed($0) }
                        while let reply = try reader.next() { replies.append(reply) }
                    }
                } catch {
                    #expect((error as? CacheError)?.code == .remoteProtocol)
                    replies.append(nil)
                }
                return replies
            }
            #expect(results.allSatisfy { $0 == results[0] }, "\(seed)")
        }
    }
}
