import Foundation
import Synchronization

/// Standard output, buffered, with its errors met: a full disk or a closed pipe ends the command with a message.
enum StandardOutput {
    private static let buffer = Mutex<[UInt8]>([])

    static func write(_ text: String) { write(Array(text.utf8) + [0x0A]) }

    static func write(_ bytes: [UInt8]) {
        let isFull = buffer.withLock { buffer in
            buffer.append(contentsOf: bytes)
            return buffer.count >= 1 << 16
        }
        if isFull { flush() }
    }

    /// Writes what has gathered. Ends the process where that fails.
    static func flush() {
        guard let error = writeAll() else { return }
        // The reader of a pipe has what it wanted; anything else is worth a message.
        guard error != EPIPE else { exit(ExitStatus.clean.rawValue) }
        tell(error)
        exit(ExitStatus.internalFault.rawValue)
    }

    /// The same where the command has failed already: its own exit code stands.
    static func flushAfterFailure() {
        if let error = writeAll(), error != EPIPE { tell(error) }
    }

    /// - Returns: the error number that ended it; `nil` if everything was written.
    private static func writeAll() -> Int32? {
        buffer.withLock { buffer in
            defer { buffer.removeAll(keepingCapacity: true) }
            return Descriptor.write(buffer, to: STDOUT_FILENO)
        }
    }

    private static func tell(_ error: Int32) {
        StandardError.write(
            "cachekit: standard output can't be written (\(String(cString: strerror(error)))); give it a place with space"
        )
    }
}

/// Standard error: messages for people, one line each. Where nobody can read them, the command goes on without.
enum StandardError {
    private static let isProgressShown = Mutex(false)

    /// Writes a line; in the place of the progress where that is shown.
    static func write(_ line: String) {
        isProgressShown.withLock { isShown in
            raw((isShown ? clearing : "") + line + "\n")
            isShown = false
        }
    }

    /// Writes the beginning of a line, which the answer ends.
    static func ask(_ question: String) {
        isProgressShown.withLock { isShown in
            raw((isShown ? clearing : "") + question)
            isShown = false
        }
    }

    /// Draws the last line anew, without ending it.
    static func drawProgress(_ line: String) {
        isProgressShown.withLock { isShown in
            raw(clearing + line)
            isShown = true
        }
    }

    static func clearProgress() {
        isProgressShown.withLock { isShown in
            if isShown { raw(clearing) }
            isShown = false
        }
    }

    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    private static let clearing = "\r\u{1B}[K"

    private static func raw(_ text: String) {
        // There is no better place to complain that standard error is closed or full.
        _ = Descriptor.write(Array(text.utf8), to: STDERR_FILENO)
    }
}

/// The three standard streams as the system knows them. Foundation's handles trap where a write fails.
enum Descriptor {
    /// Before anything is opened: a closed pipe becomes an error of the write, and no file that is opened later can take
    /// the number of a standard stream that was closed, and then be written messages.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(stream, F_GETFD) == -1 {
            // Opened the wrong way round, so that using it stays an error.
            _ = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// - Returns: the error number that ended it; `nil` if everything was written.
    static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0, errno != EINTR { return errno }
            rest = rest.dropFirst(max(written, 0))
        }
        return nil
    }
}
