import CacheKitCore
import Foundation
import Synchronization

/// A server on a loopback port that does what a test says, connection by connection, and remembers what it was asked.
///
/// Each connection has a thread of its own and the next script; the last one serves all further ones. Every wait ends
/// after ten seconds.
final class ScriptedServer: Sendable {
    typealias Script = @Sendable (Peer) -> Void

    let port: Int
    private let listener: Int32
    private let scripts: [Script]
    private let state = Mutex(State())

    private struct State {
        var commands: [String] = []
        var connectionCount = 0
        var isStopped = false
    }

    init(_ scripts: Script...) throws {
        self.scripts = scripts
        // Not for servers that other tests start meanwhile.
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard isListening else { throw CacheError(.inputOutput, "no loopback port to listen on") }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { self.acceptUntilStopped() }
    }

    var url: String { "redis://127.0.0.1:\(port)" }

    /// The first word of every command after the login, of all connections, in order.
    var commands: [String] { state.withLock { $0.commands } }
    var connectionCount: Int { state.withLock { $0.connectionCount } }

    /// Lets the thread and its port go; a test does this at its end.
    func stop() { state.withLock { $0.isStopped = true } }

    private func acceptUntilStopped() {
        while !state.withLock({ $0.isStopped }) {
            var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 20) > 0 else { continue }
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { continue }
            let script = state.withLock { state in
                state.connectionCount += 1
                return scripts[min(state.connectionCount, scripts.count) - 1]
            }
            Thread.detachNewThread {
                script(Peer(descriptor: descriptor, server: self))
                // A server that another test has just started may have inherited it: closing alone would not hang up.
                shutdown(descriptor, Int32(SHUT_RDWR))
                close(descriptor)
            }
        }
        close(listener)
    }

    fileprivate func note(_ command: String) { state.withLock { $0.commands.append(command) } }
}

/// One accepted connection, for the thread that runs its script.
final class Peer {
    private let descriptor: Int32
    private let server: ScriptedServer
    private var received: [UInt8] = []

    fileprivate init(descriptor: Int32, server: ScriptedServer) {
        self.descriptor = descriptor
        self.server = server
    }

    /// Answers up to the `PING` that ends a login.
    func logIn() {
        while let command = next() {
            send(command == ["PING"] ? "+PONG\r\n" : "+OK\r\n")
            if command == ["PING"] { return }
        }
    }

    /// The next command; `nil` when the client has closed.
    @discardableResult
    func command() -> [String]? {
        guard let command = next() else { return nil }
        server.note(command[0])
        return command
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// Sends byte by byte, with a pause of so many microseconds after each.
    func trickle(_ text: String, pause: UInt32) {
        for byte in text.utf8 {
            send([byte])
            usleep(pause)
        }
    }

    /// Takes so many bytes in so many pieces, with a pause of so many microseconds after each; their commands are forgotten.
    ///
    /// - Returns: whether all of them came.
    func drain(bytes: Int, pieces: Int, pause: UInt32) -> Bool {
        var left = bytes
        var buffer = [UInt8](repeating: 0, count: bytes / pieces)
        while left > 0 {
            let count = recv(descriptor, &buffer, min(buffer.count, left), Int32(MSG_WAITALL))
            guard count > 0 else { return false }
            left -= count
            usleep(pause)
        }
        return true
    }

    /// Waits for the client to close; `false` after ten seconds.
    func isClosedByClient() -> Bool {
        while receive() {}
        return isAtEnd
    }

    private var isAtEnd = false

    private func next() -> [String]? {
        while true {
            if let command = parse() { return command }
            guard receive() else { return nil }
        }
    }

    private func receive() -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 10_000) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        isAtEnd = count <= 0
        guard count > 0 else { return false }
        received += buffer[..<count]
        return true
    }

    /// An array of bulk strings, as the client sends them.
    private func parse() -> [String]? {
        var rest = received[...]
        func number(after type: Character) -> Int? {
            guard let end = rest.firstIndex(of: 10), rest.first == type.asciiValue else { return nil }
            defer { rest = rest[(end + 1)...] }
            return Int(String(decoding: rest[(rest.startIndex + 1)..<(end - 1)], as: UTF8.self))
        }
        guard let count = number(after: "*") else { return nil }
        var arguments: [String] = []
        for _ in 0..<count {
            guard let size = number(after: "$"), rest.count >= size + 2 else { return nil }
            arguments.append(String(decoding: rest.prefix(size), as: UTF8.self))
            rest = rest.dropFirst(size + 2)
        }
        received = Array(rest)
        return arguments
    }
}

/// A door that a test opens for a script.
final class Gate: Sendable {
    private let isOpen = Mutex(false)

    func open() { isOpen.withLock { $0 = true } }
    var isOpened: Bool { isOpen.withLock { $0 } }

    /// Waits at most ten seconds. Blocks: for scripts only.
    @discardableResult
    func wait() -> Bool {
        for _ in 0..<10_000 where !isOpen.withLock({ $0 }) { usleep(1000) }
        return isOpen.withLock { $0 }
    }
}
