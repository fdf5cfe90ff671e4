import CacheKitCore
import Foundation

/// Standard input and files, read in pieces.
struct InputStream {
    private let handle: FileHandle
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// Bytes taken from the file so far.
    private(set) var consumed = 0
    /// Size of the file; `nil` for a pipe.
    let size: Int?

    /// A file, or standard input for `-`.
    init(path: String) throws(CacheError) {
        guard let handle = path == "-" ? .standardInput : FileHandle(forReadingAtPath: path) else {
            throw CacheError(.invalidArgument, "the file to import can't be opened; check its path and permissions")
        }
        var attributes = stat()
        let isKnown = fstat(handle.fileDescriptor, &attributes) == 0
        guard !isKnown || attributes.st_mode & S_IFMT != S_IFDIR else {
            throw CacheError(.invalidArgument, "the input is a folder; give a file, or - for standard input")
        }
        self.handle = handle
        size = isKnown && attributes.st_mode & S_IFMT == S_IFREG ? Int(attributes.st_size) : nil
    }

    enum Line {
        case bytes([UInt8])
        case tooLong
    }

    /// The next line without its newline; one longer than `limit` is passed over. `nil` at the end.
    mutating func nextLine(limit: Int) throws(CacheError) -> Line? {
        var isTooLong = false
        var searched = start
        while true {
            if let newline = newline(from: searched) {
                let line = Array(buffer[start..<newline])
                consumed += line.count + 1
                start = newline + 1
                return isTooLong || line.count > limit ? .tooLong : .bytes(line)
            }
            if isAtEnd {
                let line = Array(buffer[start...])
                consumed += line.count
                start = buffer.count
                if isTooLong { return .tooLong }
                return line.isEmpty ? nil : (line.count > limit ? .tooLong : .bytes(line))
            }
            if buffer.count - start > limit {
                isTooLong = true
                consumed += buffer.count - start
                start = buffer.count
            }
            buffer.removeFirst(start)
            start = 0
            searched = buffer.count
            try fill()
        }
    }

    private func newline(from start: Int) -> Int? {
        buffer.withUnsafeBytes { bytes in
            guard start < bytes.count, let base = bytes.baseAddress,
                let found = memchr(base + start, 0x0A, bytes.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// Reads what is there, and no more: what comes slowly through a pipe is worked on as it comes.
    private mutating func fill() throws(CacheError) {
        let piece = 1 << 16
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: piece))
        var count = -1
        repeat {
            count = buffer.withUnsafeMutableBytes {
                Foundation.read(handle.fileDescriptor, $0.baseAddress?.advanced(by: start), piece)
            }
        } while count < 0 && errno == EINTR
        buffer.removeLast(piece - max(count, 0))
        guard count >= 0 else {
            throw CacheError(
                .invalidArgument, "the input can't be read to its end (\(String(cString: strerror(errno))))")
        }
        if count == 0 { isAtEnd = true }
    }

    /// All of standard input, at most `limit` bytes.
    static func standardInput(limit: Int) throws(CacheError) -> [UInt8] {
        var stream = try InputStream(path: "-")
        while !stream.isAtEnd {
            try stream.fill()
            guard stream.buffer.count <= limit else {
                throw CacheError(
                    .valueTooLarge, "the value on standard input is larger than \(limit) bytes; raise --max-value")
            }
        }
        return stream.buffer
    }
}
