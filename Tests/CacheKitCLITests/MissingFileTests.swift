import Foundation
import Testing

/// A path that is mistyped is told, and nothing is made there.
struct MissingFileTests {
    @Test(arguments: [
        ["get", "a"], ["delete", "a"], ["list"], ["stats"], ["verify"], ["export"], ["sync", "status"],
        ["sync", "push", "--redis", "redis+unix:///nowhere.sock"],
        ["get", "a", "--redis", "redis+unix:///nowhere.sock"],
        ["delete", "a", "--redis", "redis+unix:///nowhere.sock"],
    ])
    func `a command that works on what a file holds makes none`(arguments: [String]) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let empty = tool.folder.appending(path: "empty")
        try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
        let outcome = try await tool.run(
            arguments + ["--database", empty.appending(path: "mistyped.db").path], bytes: Data())
        #expect(outcome.status == 9, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("no file"), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: empty.path).isEmpty)
    }

    @Test func `a command that writes makes the file`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        #expect(try await tool.run("import", input: "").status == 0)
        #expect(try await tool.run("stats").status == 0)
    }
}
