import CacheKitCore
import Foundation

/// SQLCipher with the same rows, in a process of its own: two libraries with SQLite's names do not live in one.
///
/// It is `Benchmarks/SQLCipher/peer.c`, compiled when it is needed, and times itself; the pipe carries only how many
/// operations to do and how long they took.
final class SQLCipherPeer: Sendable {
    private let folder: TemporaryFolder
    private let process = Process()
    private let requests = Pipe()
    private let answers = Pipe()

    enum Job: String {
        case read
        /// Rows that are committed one by one.
        case write
        /// Rows that share one transaction.
        case writeTogether = "together"
        case moveLog = "log"
    }

    init(rowCount: Int) async throws {
        folder = try TemporaryFolder()
        do {
            let program = folder.path("peer")
            try Self.compile(to: program)
            process.executableURL = URL(filePath: program)
            process.arguments = [folder.path("peer.db"), String(rowCount)]
            process.standardInput = requests
            process.standardOutput = answers
            try process.run()
            _ = try answer()
        } catch {
            finish()
            throw error
        }
    }

    /// Does so many operations and tells how long they took.
    func run(_ job: Job, _ count: Int) throws -> Duration {
        try requests.fileHandleForWriting.write(contentsOf: Data("\(job.rawValue) \(count)\n".utf8))
        return .nanoseconds(try answer())
    }

    func finish() {
        if process.isRunning {
            // Not SIGTERM: the child inherits the mask of the pool's thread, which blocks it. Its file is thrown away.
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        folder.remove()
    }

    private func answer() throws -> Int64 {
        var line = Data()
        while let byte = try answers.fileHandleForReading.read(upToCount: 1), !byte.isEmpty {
            if byte[0] == UInt8(ascii: "\n") { break }
            line.append(byte)
        }
        guard let nanoseconds = Int64(String(decoding: line, as: UTF8.self)) else {
            throw FloorFailure(call: "SQLCipher")
        }
        return nanoseconds
    }

    private static func compile(to program: String) throws {
        let compiler = ["/usr/bin/cc", "/usr/bin/clang", "/usr/bin/gcc"]
            .first { FileManager.default.isExecutableFile(atPath: $0) }
        guard let compiler else { throw Contest.Unavailable(reason: "no C compiler in /usr/bin") }
        let process = Process()
        process.executableURL = URL(filePath: compiler)
        process.arguments = ["-O2", source.path, "-I/usr/include/sqlcipher", "-lsqlcipher", "-o", program]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Contest.Unavailable(reason: "SQLCipher's C library is missing; install libsqlcipher-dev")
        }
    }

    private static var source: URL {
        var file = URL(filePath: #filePath)
        for _ in 0..<3 { file.deleteLastPathComponent() }
        return file.appending(path: "SQLCipher/peer.c")
    }
}
