import Foundation
import Testing

/// Standard streams that are closed, full, or a terminal.
struct StreamTests {
    private func withLines(_ tool: CommandLineTool, _ lines: [String]) throws {
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: tool.folder.appending(path: "lines.ndjson"))
    }

    /// Every second line is malformed, and there are more of them than a pipe holds messages.
    private func withBadLines(_ tool: CommandLineTool) throws {
        try withLines(tool, (0..<4000).flatMap { [#"{"key":"k\#($0)","value":1}"#, "not json"] })
    }

    @Test(arguments: ["2>/dev/full", "2>&-", "2>&1 >/dev/null | head -n 1"])
    func `messages that nobody can read do not end a command`(redirection: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try withBadLines(tool)
        let outcome = try await tool.shell(
            "cachekit import lines.ndjson --json \(redirection) >out; echo ${PIPESTATUS[0]}; cachekit stats --json")
        #expect(outcome.outputLines.first == "3", "\(outcome.errors)")
        #expect(outcome.output.contains(#""entries":4000"#), "\(outcome.output)")
    }

    @Test func `a closed standard error is no file that messages could be written into`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try withBadLines(tool)
        let outcome = try await tool.shell("cachekit import lines.ndjson <&- >&- 2>&-; echo $?; cachekit verify --json")
        // Nor can the report be written; it is not lost in silence.
        #expect(outcome.outputLines.first != "0")
        #expect(outcome.output.contains(#""rows_failed":0"#), "\(outcome.output)\(outcome.errors)")
    }

    @Test(arguments: [">/dev/full", ">&-"])
    func `output that can't be written is an error on one line`(redirection: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        for command in ["get a", "list", "stats", "export", "--help", "--version", "keys generate"] {
            let outcome = try await tool.shell("cachekit \(command) \(redirection)")
            #expect(outcome.status == 1, "\(command): \(outcome.errors)")
            #expect(outcome.errorLines.count == 1, "\(command): \(outcome.errors)")
            #expect(outcome.errors.contains("standard output can't be written"), "\(command): \(outcome.errors)")
        }
    }

    @Test func `a pipe that is closed keeps the exit code of what failed before`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        _ = try await tool.run("set", "a", "1")
        let outcome = try await tool.shell("{ cachekit get missing; echo $? >status; } | true; cat status")
        #expect(outcome.output == "3\n")
    }

    // MARK: A terminal

    private static let hasScript = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

    @Test(.enabled(if: hasScript, "script(1) is not installed"))
    func `an import draws its progress on a terminal, in place, and messages get lines of their own`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try withLines(tool, (0..<500).map { #"{"key":"k\#($0)","value":1}"# })
        // Slow enough that the progress is drawn; the bad line comes when it stands there.
        let outcome = try await tool.shell(
            #"""
            mkfifo pipe
            "$CACHEKIT_EXECUTABLE" --version >/dev/null
            script -q -e -c '"$CACHEKIT_EXECUTABLE" import --batch 1 --json < pipe' typescript >/dev/null 2>&1 </dev/null & pid=$!
            exec 3>pipe
            cat lines.ndjson >&3
            for try in $(seq 300); do
                grep -q '/s' typescript && break
                echo '{"key":"more","value":1}' >&3; sleep 0.05
            done
            echo 'not json' >&3
            exec 3>&-
            wait $pid; echo status $?
            cat -v typescript
            """#)
        #expect(outcome.outputLines.first == "status 3", "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains(#"^M^[[Kimported "#), "\(outcome.output)")
        let message = try #require(outcome.output.firstRange(of: "cachekit: line "), "\(outcome.output)")
        #expect(outcome.output[..<message.lowerBound].hasSuffix("^M^[[K"), "\(outcome.output)")
        #expect(outcome.output.contains(#""rejected":1"#))
    }

    @Test(.enabled(if: hasScript, "script(1) is not installed"))
    func `progress over a file says how much is done`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try withLines(tool, (0..<4000).map { #"{"key":"k\#($0)","value":1}"# })
        let outcome = try await tool.shell(
            #"""
            script -q -e -c '"$CACHEKIT_EXECUTABLE" import lines.ndjson --batch 1' typescript >/dev/null 2>&1 </dev/null
            echo status $?; cat -v typescript
            """#)
        #expect(outcome.outputLines.first == "status 0", "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains(/imported \d+, \d+\/s, \d+ %, \d+ s left/), "\(outcome.output)")
    }

    // MARK: Input

    @Test(arguments: ["import .", "import - < .", "set a --raw < ."])
    func `a folder is no input, and no fault of the store`(command: String) async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.shell("cachekit \(command)")
        #expect(outcome.status == 2, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains("folder"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: tool.path("cache.db")))
    }
}
