import Foundation
import Testing

/// How large a value may be, and that what was exported can be imported.
struct ValueSizeTests {
    @Test func `what is exported imports, also where its text is far longer than the value`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // Bytes become hex, control characters \u00XX, and each false of an array six letters.
        let room = (128 << 10) - 5
        let raw = Data((0..<room).map { UInt8(truncatingIfNeeded: $0 &* 37) })
        #expect(try await tool.run(["set", "raw", "--raw", "--max-value", "128K"], bytes: raw).status == 0)
        let controls = "\"" + String(repeating: #"\u0001"#, count: room) + "\""
        #expect(try await tool.run("set", "controls", "-", "--max-value", "128K", input: controls).status == 0)
        let flags = "[" + String(repeating: "false,", count: room - 1) + "false]"
        #expect(try await tool.run("set", "flags", "-", "--max-value", "128K", input: flags).status == 0)
        let moved = try await tool.shell(
            "cachekit export | cachekit import --json --max-value 128K --database other.db; cachekit verify --database other.db"
        )
        #expect(moved.output.hasPrefix(#"{"imported":3,"rejected":0,"lines":3}"#), "\(moved.output)\(moved.errors)")
        let read = try await tool.shell("cachekit get raw --raw --database other.db")
        #expect(read.status == 0)
        let same = try await tool.shell(
            "for key in raw controls flags; do cmp <(cachekit get $key) <(cachekit get $key --database other.db) || exit 1; done"
        )
        #expect(same.status == 0, "\(same.errors)")
    }

    @Test func `the limit is the user's to set, up and down`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // Over the 16 MiB that are the limit where none is given.
        let large = Data(count: 17 << 20)
        #expect(try await tool.run(["set", "large", "--raw", "--max-value", "18M"], bytes: large).status == 0)
        // Reading asks for no limit.
        #expect(try await tool.run("verify").status == 0)
        let small = try await tool.run("set", "small", #""0123456789""#, "--max-value", "10")
        #expect(small.status == 2)
        #expect(small.errorLines.count == 1 && small.errors.contains("11 bytes"), "\(small.errors)")
        #expect(try await tool.run("set", "small", #""0123456789""#, "--max-value", "11").status == 0)
        let line = #"{"key":"a","value":"\#(String(repeating: "x", count: 2000))"}"#
        #expect(try await tool.run("import", "--max-value", "1K", input: line).status == 3)
        #expect(try await tool.run("import", "--max-value", "2K", input: line).status == 0)
    }

    @Test func `a value larger than the file takes unless it is told`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        // Over 64 MiB as stored: what does not compress.
        let script = "head -c 70000000 /dev/urandom > big; cachekit set big --raw --max-value 70M < big"
        let set = try await tool.shell("\(script) && cachekit get big --raw | cmp - big")
        #expect(set.status == 0, "\(set.errors)")
    }

    @Test(arguments: ["0", "-1", "513M", "1G", "M", "1.5M", "", "99999999999999999999"])
    func `a size that is none is refused`(size: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.run("set", "a", "1", "--max-value=\(size)")
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1)
    }
}
