import CacheKitCore
import Foundation

/// The process `CrashChild`, and the lines that it says.
///
/// `@unchecked Sendable` because whoever waits for the child is alone with it.
struct ChildProcess: @unchecked Sendable {
    private let process = Process()
    private let output = Pipe()

    init(_ arguments: [String]) throws {
        process.executableURL = try Self.executable()
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
    }

    /// The child lies beside the bundle of the tests.
    private static func executable() throws -> URL {
        var folder = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
        for _ in 0..<6 {
            let candidate = folder.appending(path: "CrashChild")
            if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
            folder.deleteLastPathComponent()
        }
        throw CacheError(.invalidConfiguration, "CrashChild was not built; run the tests by 'swift test'")
    }

    /// Kills the child after a time, from its start or from its first line on, and gives every line.
    func runAndKill(after milliseconds: UInt64, fromStart: Bool) throws -> [String] {
        var bytes = Data()
        while !fromStart, !bytes.contains(UInt8(ascii: "\n")) {
            let part = output.fileHandleForReading.availableData
            guard !part.isEmpty else { break }
            bytes += part
        }
        let pid = process.processIdentifier
        let killer = Thread {
            usleep(UInt32(milliseconds * 1000))
            kill(pid, SIGKILL)
        }
        killer.start()
        bytes += output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Self.lines(bytes)
    }

    /// Waits for the child's own end; gives its status and every line.
    func run() throws -> (status: Int32, lines: [String]) {
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, Self.lines(bytes))
    }

    /// The same on a thread of its own, so that several are heard at once.
    func ended() async throws -> (status: Int32, lines: [String]) {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result { try run() }) }.start()
        }
    }

    /// Whether the child was killed, rather than having ended by an error of its own.
    var wasKilled: Bool { process.terminationReason == .uncaughtSignal && process.terminationStatus == SIGKILL }

    private static func lines(_ bytes: Data) -> [String] {
        String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
