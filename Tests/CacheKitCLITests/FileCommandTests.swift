import Foundation
import Testing

/// The commands that concern the file as a whole: backup and migrate.
struct FileCommandTests {
    /// A file of so many times 8 MB.
    private func fill(_ tool: CommandLineTool, times: Int) async throws {
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        let bytes = try #require(try random.read(upToCount: 8_000_000))
        for number in 1...times {
            try #require(try await tool.run(["set", "k\(number)", "--raw"], bytes: bytes).status == 0)
        }
    }

    private func copies(_ tool: CommandLineTool) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: tool.folder.path).filter { $0.hasPrefix("copy") }
    }

    @Test func `a backup is reported, and its copy is read like the file`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        for number in 1...3 { _ = try await tool.run("set", "k\(number)", "\(number)") }
        let outcome = try await tool.run("backup", tool.path("copy.db"), "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix(#"{"rows":3,"file_bytes":"#))
        #expect(outcome.output.hasSuffix(#","last_change":3,"watermark":0}"# + "\n"))
        #expect(try copies(tool) == ["copy.db"])
        #expect(try await tool.run("get", "k2", "--database", tool.path("copy.db")).output == "2\n")
        #expect(try await tool.run("verify", "--database", tool.path("copy.db")).status == 0)
    }

    @Test func `a backup that can't be made says why and leaves nothing`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let absent = try await tool.run("backup", tool.path("copy.db"))
        #expect(absent.status == 9)
        #expect(absent.errors.contains("no file"))
        _ = try await tool.run("set", "a", "1")
        let taken = try await tool.run("backup", tool.path("cache.db"))
        #expect(taken.status == 2)
        #expect(taken.errors.contains("new file"))
        let missing = try await tool.run("backup", tool.path("nowhere/copy.db"))
        #expect(missing.status == 9)
        #expect(missing.errors.contains("folder"))
        let wrong = ["CACHEKIT_MASTER_KEY": String(repeating: "b2", count: 32)] as [String: String?]
        #expect(try await tool.run("backup", tool.path("copy.db"), environment: wrong).status == 7)
        #expect(try copies(tool).isEmpty)
    }

    @Test func `a backup that is stopped leaves nothing`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try await fill(tool, times: 2)
        // Held still as soon as it has begun, so that the signal comes in the middle.
        let outcome = try await tool.shell(
            """
            "$CACHEKIT_EXECUTABLE" backup copy.db & pid=$!
            until compgen -G 'copy.db-partial-*' >/dev/null || ! kill -0 $pid 2>/dev/null; do sleep 0.002; done
            kill -STOP $pid; kill -TERM $pid; kill -CONT $pid
            wait $pid; echo status $?
            """)
        #expect(outcome.output == "status 3\n", "\(outcome.errors)")
        #expect(try copies(tool).isEmpty)
        #expect(try await tool.run("backup", tool.path("copy.db")).status == 0)
    }

    @Test(.enabled("needs the right to mount a small file system") { await canMount() })
    func `a backup onto a full disk says so and leaves nothing`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        try await fill(tool, times: 1)
        let outcome = try await tool.shell(
            #"""
            unshare -m bash -c '
                mkdir disk && mount -t tmpfs -o size=2m none disk
                cachekit backup disk/copy.db; echo status $?; ls -A disk | wc -l
                mount -o remount,size=16m disk && cachekit backup disk/copy.db --json
            '
            """#)
        #expect(outcome.outputLines.prefix(2) == ["status 9", "0"], "\(outcome.output)\(outcome.errors)")
        #expect(outcome.errors.contains("space"), "\(outcome.errors)")
        #expect(outcome.outputLines.last?.hasPrefix(#"{"rows":1,"#) == true)
    }

    private static func canMount() async -> Bool {
        guard let tool = try? CommandLineTool() else { return false }
        defer { tool.remove() }
        let outcome = try? await tool.shell("unshare -m bash -c 'mkdir d && mount -t tmpfs -o size=1m none d'")
        return outcome?.status == 0
    }

    @Test func `a migration is planned without a key and without a trace, and made by name`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let absent = try await tool.run("migrate")
        #expect(absent.status == 9)
        #expect(!FileManager.default.fileExists(atPath: tool.path("cache.db")))
        _ = try await tool.run("set", "a", "1")
        let before = try Data(contentsOf: tool.folder.appending(path: "cache.db"))
        let plan = try await tool.run("migrate", "--dry-run", "--json", environment: ["CACHEKIT_MASTER_KEY": nil])
        #expect(plan.status == 0, "\(plan.errors)")
        #expect(plan.output == #"{"format":1,"newest_format":1,"missing":[]}"# + "\n")
        #expect(try Data(contentsOf: tool.folder.appending(path: "cache.db")) == before)
        #expect(
            try await tool.run("migrate", "--json").output == #"{"format":1,"newest_format":1,"applied":[]}"# + "\n")
        // An empty file whose making was interrupted is one that lacks every migration.
        for name in ["empty.db", "empty.db-new"] {
            _ = FileManager.default.createFile(atPath: tool.path(name), contents: Data())
        }
        let empty = try await tool.run("migrate", "--dry-run", "--database", tool.path("empty.db"), "--json")
        #expect(empty.output == #"{"format":0,"newest_format":1,"missing":["m0001_initial.sql"]}"# + "\n")
        let made = try await tool.run("migrate", "--database", tool.path("empty.db"), "--json")
        #expect(made.output == #"{"format":1,"newest_format":1,"applied":["m0001_initial.sql"]}"# + "\n")
    }

    @Test func `processes that make one new file at the same time all find it whole`() async throws {
        let tool = try CommandLineTool()
        defer { tool.remove() }
        let outcome = try await tool.shell(
            """
            for round in 1 2 3 4 5; do
              export CACHEKIT_DATABASE=new$round.db; pids=
              for n in 1 2 3 4 5 6; do "$CACHEKIT_EXECUTABLE" set key$n $n & pids="$pids $!"; done
              for pid in $pids; do wait $pid || echo failed $?; done
              cachekit list | wc -l
            done
            """)
        #expect(outcome.outputLines == Array(repeating: "6", count: 5), "\(outcome.errors)")
        #expect(try await tool.run("verify", "--database", tool.path("new1.db")).status == 0)
    }
}
