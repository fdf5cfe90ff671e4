import Foundation
import Synchronization

/// Standard output, buffered, with its errors met: a full disk or a closed pipe ends the command with a message.
enum StandardOutput {
    static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

    static func write(_ text: String) { write(Array(text.utf8) + [0x0A]) }

    static func write(_ bytes: [UInt8]) {
        let isFull = buffer.withLock { buffer in
            buffer.append(contentsOf: bytes)
            return buffer.count >= 1 << 16
        }
        if isFull { flush() }
    }

    static func flush() {
        buffer.withLock { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let written = rest.withUnsafeBytes { Foundation.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
                if written < 0, errno != EINTR { fail() }
                rest = rest.dropFirst(max(written, 0))
            }
            buffer.removeAll(keepingCapacity: true)
        }
    }

    private static let buffer = Mutex<[UInt8]>([])

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    private static func fail() -> Never {
        // The reader of a pipe has what it wanted; anything else is worth a message.
        guard errno != EPIPE else { exit(ExitStatus.clean.rawValue) }
        StandardError.write("cachekit: standard output can't be written; is the disk full?")
        exit(ExitStatus.internalFault.rawValue)
    }
}

/// Standard error: messages for people, one line each.
enum StandardError {
    static func write(_ line: String) { raw("\(line)\n") }

    static func raw(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
