import Foundation

/// A program that a test runs, and how it ended.
struct Program {
    let status: Int32
    let errors: String

    /// Runs to the end; `folder` takes what it writes to standard error.
    static func run(_ executable: URL, _ arguments: [String], in folder: URL) async throws -> Program {
        let log = folder.appending(path: "errors.txt")
        try Data().write(to: log)
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: log)
        let status = try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { ended.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                ended.resume(throwing: error)
            }
        }
        return Program(status: status, errors: try String(contentsOf: log, encoding: .utf8))
    }

    /// A folder for `body` alone.
    static func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "cachekit-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder)
    }
}
