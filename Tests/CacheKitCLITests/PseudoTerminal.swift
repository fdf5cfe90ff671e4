import Dispatch
import Foundation
import Synchronization

/// A terminal that nobody looks at: what is written to it is gathered, as a person would see it come.
final class PseudoTerminal: Sendable {
    struct Unavailable: Error {}

    private let controller: Int32
    private let path: String
    private let seen = Mutex<[UInt8]>([])
    private let ended = DispatchSemaphore(value: 0)

    init() throws {
        #if os(Linux)
            // The C library's functions for this are behind a macro that Swift does not set; these are what they do
            // (https://man7.org/linux/man-pages/man4/pts.4.html: TIOCSPTLCK, TIOCGPTN).
            controller = open("/dev/ptmx", O_RDWR | O_NOCTTY)
            var lock: Int32 = 0
            var number: UInt32 = 0
            guard controller >= 0, ioctl(controller, 0x4004_5431, &lock) == 0,
                ioctl(controller, 0x8004_5430, &number) == 0
            else { throw Unavailable() }
            path = "/dev/pts/\(number)"
        #else
            controller = posix_openpt(O_RDWR | O_NOCTTY)
            guard controller >= 0, grantpt(controller) == 0, unlockpt(controller) == 0,
                let name = ptsname(controller)
            else { throw Unavailable() }
            path = String(cString: name)
        #endif
    }

    deinit { close(controller) }

    /// Runs a command with standard error on the terminal and standard output in a file.
    func run(_ executable: URL, _ arguments: [String], environment: [String: String], output: URL) async throws -> Int32
    {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    with: Result { try self.wait(executable, arguments, environment, output) })
            }
        }
    }

    private func wait(
        _ executable: URL, _ arguments: [String], _ environment: [String: String], _ output: URL
    ) throws -> Int32 {
        guard let terminal = FileHandle(forUpdatingAtPath: path) else { throw Unavailable() }
        try Data().write(to: output)
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = terminal
        try process.run()
        DispatchQueue.global().async { self.gather() }
        process.waitUntilExit()
        try terminal.close()
        // Reading ends once nobody has the other side open.
        ended.wait()
        return process.terminationStatus
    }

    private func gather() {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = read(controller, &buffer, buffer.count)
            guard count > 0 else { break }
            seen.withLock { $0 += buffer[..<count] }
        }
        ended.signal()
    }

    /// Everything that was written.
    var text: String { seen.withLock { String(decoding: $0, as: UTF8.self) } }
}
