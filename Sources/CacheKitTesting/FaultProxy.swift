public import CacheKitCore
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Stands between a client and a real server on loopback and does to each connection what its faults say.
///
/// One thread carries all connections, at most 256 at once; further ones wait to be accepted. It holds at most 64 KiB of a
/// connection in each direction. It ends with ``stop()`` or with its last reference.
public final class FaultProxy: Sendable {
    /// The faults of a connection, by its number; the first has 0. Draw them from a seed and the number, and a run repeats.
    public typealias Plan = @Sendable (_ connection: Int) -> [Fault]

    /// The loopback port that clients connect to.
    public let port: Int
    private let shared: Shared

    /// Starts a proxy to a loopback port.
    ///
    /// - Throws: ``CacheError/Code/inputOutput`` when there is no port or thread to be had.
    public init(toPort target: Int, plan: @escaping Plan = { _ in [] }) throws(CacheError) {
        let (listener, port) = try Self.listen()
        self.port = port
        shared = Shared(plan)
        let loop = FaultProxyLoop(listener: listener, target: target, shared: shared)
        guard startThread({ loop.run() }) else {
            close(listener)
            throw CacheError(.inputOutput, "no thread for the fault proxy")
        }
    }

    /// Starts a proxy to a server.
    public convenience init(to server: RedisServer, plan: @escaping Plan = { _ in [] }) throws(CacheError) {
        try self.init(toPort: server.port, plan: plan)
    }

    deinit {
        stop()
    }

    /// `redis://127.0.0.1:port/0`.
    public var url: String { "redis://127.0.0.1:\(port)/0" }

    /// Connections accepted so far.
    public var connectionCount: Int { shared.state.withLock { $0.connectionCount } }
    /// Connections that ``Fault/cut(_:after:)`` or ``cutAll()`` has ended so far.
    public var cutCount: Int { shared.state.withLock { $0.cutCount } }

    /// Connections that have not ended: those whose client is gone are open until everything was given on.
    public var openCount: Int { shared.state.withLock { $0.connectionCount - $0.endedCount } }

    /// Replaces the faults of connections accepted from now on.
    public func setPlan(_ plan: @escaping Plan) {
        shared.state.withLock { $0.plan = plan }
    }

    /// Cuts every connection there is, within 10 ms.
    public func cutAll() {
        shared.state.withLock { $0.cutRequests += 1 }
    }

    /// Closes everything, within 10 ms. Again is harmless.
    public func stop() {
        shared.state.withLock { $0.isStopped = true }
    }

    /// What the proxy and its thread share.
    final class Shared: Sendable {
        struct State: Sendable {
            var plan: Plan
            var connectionCount = 0
            var cutCount = 0
            var endedCount = 0
            var cutRequests = 0
            var isStopped = false
        }

        let state: Mutex<State>

        init(_ plan: @escaping Plan) {
            state = Mutex(State(plan: plan))
        }
    }

    private static func listen() throws(CacheError) -> (listener: CInt, port: Int) {
        guard let listener = RedisServer.loopbackSocket() else {
            throw CacheError(.inputOutput, "no socket for the fault proxy")
        }
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listens = RedisServer.withLoopbackAddress(port: 0) { bind(listener, $0, $1) == 0 }
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) == 0 }
        }
        #if canImport(Glibc)
            let isListening = listens && named && Glibc.listen(listener, 128) == 0
        #elseif canImport(Musl)
            let isListening = listens && named && Musl.listen(listener, 128) == 0
        #else
            let isListening = listens && named && Darwin.listen(listener, 128) == 0
        #endif
        guard isListening else {
            close(listener)
            throw CacheError(.inputOutput, "no loopback port for the fault proxy")
        }
        FaultProxyLink.prepare(listener)
        return (listener, Int(UInt16(bigEndian: address.sin_port)))
    }
}

/// Runs `body` on a detached thread of its own; `false` if there is none to be had.
private func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    let box = Unmanaged.passRetained(Body(body))
    #if canImport(Darwin)
        var thread: pthread_t?
    #else
        var thread = pthread_t()
    #endif
    let status = pthread_create(
        &thread, nil,
        { pointer in
            #if canImport(Darwin)
                Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run()
            #else
                if let pointer { Unmanaged<Body>.fromOpaque(pointer).takeRetainedValue().run() }
            #endif
            return nil
        }, box.toOpaque())
    guard status == 0 else {
        box.release()
        return false
    }
    #if canImport(Darwin)
        if let thread { pthread_detach(thread) }
    #else
        pthread_detach(thread)
    #endif
    return true
}
