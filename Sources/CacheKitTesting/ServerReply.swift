#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What a server says to one command of a test, as text.
package enum ServerReply: Sendable, Equatable {
    /// A simple string, a number or a bulk string.
    case text(String)
    /// An error.
    case error(String)
    /// An array.
    case array([ServerReply])
    /// Nothing.
    case null

    /// The text, if it is one.
    package var text: String? {
        if case .text(let text) = self { text } else { nil }
    }
}

extension RedisServer {
    /// Sends one command on a connection of its own, past everything that is tested; `nil` where no whole reply comes
    /// within two seconds. Blocks for that long at most: for setting up, and for looking. Logs in where a password is wanted.
    package func command(_ words: String...) -> ServerReply? {
        guard let descriptor = plainConnection() else { return nil }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let commands = (password.map { [["AUTH", $0]] } ?? []) + [words]
        let request = commands.flatMap { words in
            Array(("*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()).utf8)
        }
        guard write(descriptor, request, request.count) == request.count else { return nil }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return nil }
            received += buffer[..<count]
            var rest = received[...]
            let replies = commands.compactMap { _ in Self.reply(&rest) }
            if replies.count == commands.count { return replies.last }
        }
    }

    /// What the user without a name has to say, by the options.
    private var password: String? {
        arguments.firstIndex(of: "--requirepass").map { arguments[$0 + 1] }
    }

    /// Takes one reply; `nil` where it is not complete.
    private static func reply(_ rest: inout ArraySlice<UInt8>) -> ServerReply? {
        guard let type = rest.first, let end = rest.firstIndex(of: 10) else { return nil }
        let line = String(decoding: rest[(rest.startIndex + 1)..<(end - 1)], as: UTF8.self)
        rest = rest[(end + 1)...]
        switch type {
        case UInt8(ascii: "-"): return .error(line)
        case UInt8(ascii: "$"):
            guard let count = Int(line), count >= 0 else { return .null }
            guard rest.count >= count + 2 else { return nil }
            defer { rest = rest.dropFirst(count + 2) }
            return .text(String(decoding: rest.prefix(count), as: UTF8.self))
        case UInt8(ascii: "*"):
            guard let count = Int(line), count >= 0 else { return .null }
            var elements: [ServerReply] = []
            for _ in 0..<count {
                guard let element = reply(&rest) else { return nil }
                elements.append(element)
            }
            return .array(elements)
        default: return .text(line)
        }
    }
}
