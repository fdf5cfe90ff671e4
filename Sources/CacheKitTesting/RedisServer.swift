public import CacheKitCore
// Foundation for the temporary folder, what is written there, and the search in PATH only.
internal import Foundation
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A throwaway `redis-server` for tests: on a unix socket and a loopback port, in a folder of its own.
///
/// It ends when it is stopped or let go of; it is only ever signalled by its process id.
public final class RedisServer: Sendable {
    /// The loopback port.
    public let port: Int
    /// The path of its unix socket.
    public let socketPath: String
    /// Its working folder; removed with the server.
    public let folder: String

    private let executable: String
    let arguments: [String]
    let security: Security?
    /// A configuration file to start with; the server may rewrite it.
    private let configurationPath: String?
    private let state = Mutex(State())

    private struct State {
        var process: pid_t?
    }

    /// Whether `redis-server` can be found in `PATH`; tests that need it are skipped where not.
    public static var isInstalled: Bool { findExecutable() != nil }

    /// Starts a server and waits until it answers.
    ///
    /// - Parameters:
    ///   - arguments: more of `redis-server`'s options, such as `["--requirepass", "..."]`.
    ///   - security: what its port speaks TLS with; the unix socket stays plain.
    /// - Throws: ``CacheError/Code/remoteUnavailable`` when `redis-server` is not installed or does not start within 10 s.
    public static func start(
        _ arguments: [String] = [], security: Security? = nil
    ) async throws(CacheError) -> RedisServer {
        // A port that was free a moment ago may be taken by the time the server binds it.
        var last: CacheError?
        for _ in 0..<5 {
            let server = try prepare(arguments, security: security)
            do throws(CacheError) {
                try await server.restart()
                return server
            } catch {
                last = error
            }
        }
        throw last ?? CacheError(.remoteUnavailable, "redis-server did not start")
    }

    /// A server that is not started yet, but has its port: what is to be started together can be told of each other.
    ///
    /// - Parameter isConfigured: whether a file `server.conf` in its folder is to be read.
    static func prepare(
        _ arguments: [String] = [], security: Security? = nil, isConfigured: Bool = false
    ) throws(CacheError) -> RedisServer {
        guard let executable = findExecutable() else {
            throw CacheError(
                .remoteUnavailable, "redis-server is not in PATH; install it (apt-get install redis-server)")
        }
        return try RedisServer(
            executable: executable, arguments: arguments, security: security, isConfigured: isConfigured)
    }

    /// Writes the file that a server prepared for one reads.
    func configure(_ text: String) throws(CacheError) {
        do {
            try text.write(toFile: folder + "/server.conf", atomically: true, encoding: .utf8)
        } catch {
            throw CacheError(.inputOutput, "the configuration of redis-server can't be written", cause: error)
        }
    }

    private init(
        executable: String, arguments: [String], security: Security?, isConfigured: Bool
    ) throws(CacheError) {
        self.executable = executable
        self.arguments = arguments
        self.security = security
        // Short: the path of a unix socket has at most 107 bytes.
        let name = "ckredis-" + String(UInt32.random(in: .min ... .max), radix: 36)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        socketPath = folder + "/redis.sock"
        configurationPath = isConfigured ? folder + "/server.conf" : nil
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw CacheError(.inputOutput, "no folder could be made for redis-server", cause: error)
        }
        port = try Self.freePort()
        try security?.save(in: folder)
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// `redis://127.0.0.1:port/0`, or `rediss` with TLS.
    public var url: String { "\(security == nil ? "redis" : "rediss")://127.0.0.1:\(port)/0" }

    /// `redis+unix:///path?db=0`.
    public var unixURL: String { "redis+unix://\(socketPath)?db=0" }

    /// The server's process id; `nil` when it is stopped.
    public var processIdentifier: Int32? { state.withLock { $0.process } }

    /// Starts the server again, on the same port and socket, after ``stop()`` or ``kill9()``.
    public func restart() async throws(CacheError) {
        stop()
        let options =
            (configurationPath.map { [$0] } ?? []) + [
                "--bind", "127.0.0.1", "--unixsocket", socketPath, "--dir", folder, "--save",
                "",
                "--appendonly", "no", "--daemonize", "no", "--logfile", folder + "/redis.log",
            ] + (security?.options(port: port, folder: folder) ?? ["--port", String(port)]) + arguments
        let process = try Self.spawn(executable, options)
        state.withLock { $0.process = process }
        try await waitUntilAnswering()
    }

    // Not Foundation's `Process`: on Linux it learns of a child's end only once every child started meanwhile has ended.
    private static func spawn(_ executable: String, _ options: [String]) throws(CacheError) -> pid_t {
        var arguments: [UnsafeMutablePointer<CChar>?] = ([executable] + options).map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        // Threads of a pool block signals, and a child inherits that: it would never see SIGTERM.
        let attributes = UnsafeMutablePointer<posix_spawnattr_t>.allocate(capacity: 1)
        posix_spawnattr_init(attributes)
        defer {
            posix_spawnattr_destroy(attributes)
            attributes.deallocate()
        }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(attributes, &none)
        posix_spawnattr_setflags(attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        let status = posix_spawn(&process, executable, nil, attributes, arguments, environ)
        guard status == 0 else { throw CacheError(.remoteUnavailable, "redis-server could not be started") }
        return process
    }

    /// Ends the server: `SIGTERM`, then `SIGKILL` after 5 s. Again is harmless.
    public func stop() {
        end(first: SIGTERM)
    }

    /// Kills the server with `SIGKILL`; nothing of it is saved.
    public func kill9() {
        end(first: SIGKILL)
    }

    /// Halts the server with `SIGSTOP`: connections stay, nothing is answered.
    public func pause() {
        signal(SIGSTOP)
    }

    /// Lets a halted server go on.
    public func resume() {
        signal(SIGCONT)
    }

    private func signal(_ number: CInt) {
        if let identifier = processIdentifier { kill(identifier, number) }
    }

    private func end(first number: CInt) {
        let ended = state.withLock { state -> pid_t? in
            defer { state.process = nil }
            return state.process
        }
        guard let process = ended else { return }
        kill(process, number)
        // A halted process does not see SIGTERM.
        kill(process, SIGCONT)
        let deadline = ContinuousClock.now + .seconds(5)
        while waitpid(process, nil, WNOHANG) == 0 {
            if ContinuousClock.now > deadline { kill(process, SIGKILL) }
            usleep(1000)
        }
    }

    private func waitUntilAnswering() async throws(CacheError) {
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            if security == nil ? Self.answers(port: port) : Self.answers(socketPath: socketPath) { return }
            guard isRunning() else { break }
            do {
                try await Task.sleep(for: .milliseconds(5))
            } catch {
                break
            }
        }
        stop()
        throw CacheError(.remoteUnavailable, "redis-server did not start; check its options")
    }

    private func isRunning() -> Bool {
        state.withLock { state in
            guard let process = state.process else { return false }
            guard waitpid(process, nil, WNOHANG) != 0 else { return true }
            // Reaped: its number may belong to another process from here on.
            state.process = nil
            return false
        }
    }

    /// Any reply will do: with a password set, it is an error.
    private static func answers(port: Int) -> Bool {
        // Another process may have taken the port, and say nothing.
        !exchange(["PING"], port: port).isEmpty
    }

    /// Sends commands, in words as at a prompt, and gives everything that is answered until the server hangs up, as it
    /// is on the wire. Blocks, at most a second for each piece of the answer.
    public func ask(_ commands: String...) -> String {
        guard let descriptor = plainConnection() else { return "" }
        defer { close(descriptor) }
        return Self.exchange(commands, descriptor)
    }

    private static func exchange(_ commands: [String], port: Int) -> String {
        guard let descriptor = loopbackSocket() else { return "" }
        defer { close(descriptor) }
        let connected = withLoopbackAddress(port: port) { connect(descriptor, $0, $1) == 0 }
        return connected ? exchange(commands, descriptor) : ""
    }

    static func answers(_ descriptor: CInt) -> Bool {
        !exchange(["PING"], descriptor).isEmpty
    }

    private static func exchange(_ commands: [String], _ descriptor: CInt) -> String {
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let request = Array((commands + [""]).joined(separator: "\r\n").utf8)
        guard write(descriptor, request, request.count) == request.count else { return "" }
        // The server answers what came before this end, and closes. Sentinels have no QUIT.
        _ = shutdown(descriptor, CInt(SHUT_WR))
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: answer, as: UTF8.self) }
            answer += buffer[..<count]
        }
    }

    static func freePort() throws(CacheError) -> Int {
        guard let descriptor = loopbackSocket() else { throw CacheError(.inputOutput, "no socket could be made") }
        defer { close(descriptor) }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withLoopbackAddress(port: 0) { bind(descriptor, $0, $1) == 0 }
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) == 0 }
        }
        guard bound, named else { throw CacheError(.inputOutput, "no loopback port is free") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    static func loopbackSocket() -> CInt? {
        #if canImport(Glibc)
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return nil }
        // Not for the servers that are started meanwhile.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }

    static func withLoopbackAddress<Result>(
        port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private static func findExecutable() -> String? {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { $0 + "/redis-server" }
            .first { FileManager.default.isExecutableFile(atPath: String($0)) }.map { String($0) }
    }
}
