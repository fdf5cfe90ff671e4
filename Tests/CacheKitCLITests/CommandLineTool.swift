import Dispatch
import Foundation

/// The built command, run as a user runs it.
struct CommandLineTool {
    /// What a run left behind.
    struct Outcome {
        let status: Int32
        let output: String
        let errors: String

        var outputLines: [Substring] { output.split(separator: "\n") }
        var errorLines: [Substring] { errors.split(separator: "\n") }
    }

    static let key = String(repeating: "a1", count: 32)

    /// A folder of its own, removed with ``remove()``.
    let folder: URL
    var environment: [String: String]

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        environment = ["CACHEKIT_MASTER_KEY": Self.key, "CACHEKIT_DATABASE": folder.appending(path: "cache.db").path]
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// The command stands beside the test bundle.
    static var executable: URL {
        Bundle.main.executableURL!.deletingLastPathComponent().appending(path: "cachekit")
    }

    func run(_ arguments: String..., input: String? = nil, environment changes: [String: String?] = [:])
        async throws -> Outcome
    {
        try await start(Self.executable, arguments, input: input.map { Data($0.utf8) }, changes)
    }

    func run(_ arguments: [String], bytes: Data) async throws -> Outcome {
        try await start(Self.executable, arguments, input: bytes, [:])
    }

    /// Runs a shell script in which `cachekit` is the command.
    func shell(_ script: String) async throws -> Outcome {
        // CACHEKIT_EXECUTABLE for a script that needs the process id: a function in the background is a shell's.
        let prelude = """
            export CACHEKIT_EXECUTABLE='\(Self.executable.path)'
            cachekit() { "$CACHEKIT_EXECUTABLE" "$@"; }; export -f cachekit

            """
        return try await start(URL(fileURLWithPath: "/bin/bash"), ["-c", prelude + script], input: nil, [:])
    }

    /// Waits on a thread of Dispatch: blocking the cooperative pool would starve every other test.
    private func start(
        _ executable: URL, _ arguments: [String], input: Data?, _ changes: [String: String?]
    ) async throws -> Outcome {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try wait(executable, arguments, input, changes) })
            }
        }
    }

    private func wait(
        _ executable: URL, _ arguments: [String], _ input: Data?, _ changes: [String: String?]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.currentDirectoryURL = folder
        // Of this process's variables only those that the search for programs and the sanitizers need.
        let inherited = ["PATH", "LD_PRELOAD", "TSAN_OPTIONS", "ASAN_OPTIONS", "SWIFT_BACKTRACE"]
        var environment = self.environment
        for name in inherited { environment[name] = ProcessInfo.processInfo.environment[name] }
        for (name, value) in changes { environment[name] = value }
        process.environment = environment
        // Files and no pipes: nothing can fill up, whatever is written in whatever order.
        let names = ["input", "output", "errors"].map { folder.appending(path: ".\($0)-\(UUID().uuidString)") }
        for name in names { try Data().write(to: name) }
        try (input ?? Data()).write(to: names[0])
        process.standardInput = try FileHandle(forReadingFrom: names[0])
        process.standardOutput = try FileHandle(forWritingTo: names[1])
        process.standardError = try FileHandle(forWritingTo: names[2])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: try String(decoding: Data(contentsOf: names[1]), as: UTF8.self),
            errors: try String(decoding: Data(contentsOf: names[2]), as: UTF8.self))
    }
}
