import CacheKitTesting
import Foundation
import Testing

/// What the command does with a damaged file.
struct DoctorCommandTests {
    /// A file of many rows, some pages of it overwritten.
    private func damaged() async throws -> CommandLineTool {
        let tool = try CommandLineTool()
        let lines = (0..<400).map { #"{"key":"k\#($0)","value":"\#(String(repeating: "text ", count: 60))\#($0)"}"# }
        _ = try await tool.run("import", input: lines.joined(separator: "\n"))
        let file = tool.folder.appending(path: "cache.db")
        var bytes = try Data(contentsOf: file)
        // Leaves of the rows' table; the first pages are the schema's.
        let leaves = stride(from: 4096 * 30, to: bytes.count, by: 4096).filter { bytes[$0] == 13 }
        try #require(leaves.count > 12)
        // One page that can't be read, and one byte of a value elsewhere.
        bytes[leaves[3]] = 0xFF
        bytes[leaves[9] + 4000] ^= 0x10
        try bytes.write(to: file)
        return tool
    }

    @Test func `doctor, verify and export agree on what a damaged file still holds`() async throws {
        let tool = try await damaged()
        defer { tool.remove() }
        let before = try Data(contentsOf: tool.folder.appending(path: "cache.db"))
        let doctor = try await tool.run("doctor", "--json")
        #expect(doctor.status == 9)
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(doctor.output.utf8)) as? [String: Any])
        let failed = try #require(report["rows_failed"] as? Int)
        let exportable = try #require(report["exportable"] as? Int)
        #expect(failed > 1 && failed + exportable == 400, "\(doctor.output)")
        let text = try await tool.run("doctor")
        #expect(text.status == 9)
        #expect(text.output.contains("cachekit export"), "\(text.output)")

        let verify = try await tool.run("verify", "--json")
        #expect(verify.status == 9)
        #expect(verify.output.contains(#""rows_failed":\#(failed)"#), "\(verify.output)")

        let export = try await tool.run("export")
        #expect(export.status == 3)
        #expect(export.outputLines.count == exportable)
        #expect(export.errorLines.count { $0.contains("was skipped") } == failed, "\(export.errors)")
        #expect(!export.errors.contains("k1"), "no key name is shown")
        let imported = try await tool.run("import", "--database", tool.path("new.db"), input: export.output)
        #expect(imported.status == 0)
        #expect(try Data(contentsOf: tool.folder.appending(path: "cache.db")) == before, "nothing was written to it")
    }

    @Test func `rows that were altered are set aside, and the rest is in order again`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        for index in 0..<5 { _ = try await tool.run("set", "k\(index)", "\"some value of a row \(index)\"") }
        let file = tool.folder.appending(path: "cache.db")
        var bytes = try Data(contentsOf: file)
        let leaf = try #require(
            stride(from: 0, to: bytes.count, by: 4096).first { bytes[$0] == 13 && bytes[$0 + 4] == 5 && $0 > 0 })
        bytes[leaf + 4090] ^= 1
        try bytes.write(to: file)
        #expect(try await tool.run("doctor").output.contains("--set-aside"))
        #expect(try await tool.run("list").status == 9)
        let set = try await tool.run("doctor", "--set-aside", tool.path("aside.ndjson"))
        #expect(set.status == 0, "\(set.output)\(set.errors)")
        #expect(set.errors.contains("1 rows set aside"), "\(set.errors)")
        #expect(try await tool.run("list").outputLines.count == 4)
        #expect(try await tool.run("verify").status == 0)
        #expect(try String(contentsOfFile: tool.path("aside.ndjson"), encoding: .utf8).contains("sealed_meta"))
    }

    @Test func `doctor without a key says what it can, and a missing file is not created`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        #expect(try await tool.run("doctor").status == 9)
        #expect(try await tool.run("export").status == 9)
        #expect(!FileManager.default.fileExists(atPath: tool.path("cache.db")))
        _ = try await tool.run("set", "a", "1")
        #expect(try await tool.run("doctor").status == 0)
        let keyless = try await tool.run("doctor", environment: ["CACHEKIT_MASTER_KEY": nil])
        #expect(keyless.status == 7)
        #expect(keyless.output.contains("structure    in order"), "\(keyless.output)")
        let wrong = try await tool.run(
            "doctor", environment: ["CACHEKIT_MASTER_KEY": String(repeating: "b2", count: 32)])
        #expect(wrong.status == 7)
        #expect(wrong.output.contains("no damage"))
    }
}
