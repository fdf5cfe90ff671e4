import COpenSSL
import CacheKitCore
import CacheKitTesting
import Foundation
import Synchronization

/// A TLS server on a loopback port that does what a test says with each connection, on a thread of its own.
final class TLSListener: Sendable {
    typealias Script = @Sendable (TLSPeer) -> Void

    let port: Int
    private let listener: Int32
    private let context: SharedContext
    private let script: Script
    private let state = Mutex(State())

    struct State {
        var handshakes = 0
        var resumptions = 0
        var failedHandshakes = 0
        var isStopped = false
    }

    private final class SharedContext: @unchecked Sendable {
        let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { self.pointer = pointer }

        deinit { SSL_CTX_free(pointer) }
    }

    init(_ identity: TestAuthority.Identity, maximumVersion: Int32 = TLS1_3_VERSION, _ script: @escaping Script) throws
    {
        self.script = script
        context = SharedContext(SSL_CTX_new(TLS_server_method()))
        let input = BIO_new_mem_buf(identity.certificate, Int32(identity.certificate.count))
        let keyInput = BIO_new_mem_buf(identity.key, Int32(identity.key.count))
        let certificate = PEM_read_bio_X509(input, nil, nil, nil)
        let key = PEM_read_bio_PrivateKey(keyInput, nil, nil, nil)
        SSL_CTX_use_certificate(context.pointer, certificate)
        SSL_CTX_use_PrivateKey(context.pointer, key)
        SSL_CTX_ctrl(context.pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(maximumVersion), nil)
        X509_free(certificate)
        EVP_PKEY_free(key)
        BIO_free(input)
        BIO_free(keyInput)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
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

    var counts: State { state.withLock { $0 } }

    func stop() { state.withLock { $0.isStopped = true } }

    private func acceptUntilStopped() {
        while !state.withLock({ $0.isStopped }) {
            var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 20) > 0 else { continue }
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { continue }
            Thread.detachNewThread { self.serve(descriptor) }
        }
        close(listener)
    }

    private func serve(_ descriptor: Int32) {
        // OpenSSL writes without MSG_NOSIGNAL; the process must not end when a client leaves.
        var broken = sigset_t()
        sigemptyset(&broken)
        sigaddset(&broken, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &broken, nil)
        let connection = SSL_new(context.pointer)!
        defer {
            SSL_free(connection)
            close(descriptor)
        }
        SSL_set_fd(connection, descriptor)
        guard SSL_accept(connection) == 1 else {
            ERR_clear_error()
            state.withLock { $0.failedHandshakes += 1 }
            return
        }
        state.withLock { state in
            state.handshakes += 1
            if SSL_session_reused(connection) == 1 { state.resumptions += 1 }
        }
        script(TLSPeer(connection: connection, descriptor: descriptor))
    }
}

/// One accepted connection, for the thread that runs its script.
struct TLSPeer {
    let connection: OpaquePointer
    let descriptor: Int32

    /// Decrypted bytes; `nil` at the end.
    func receive() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = SSL_read(connection, &bytes, Int32(bytes.count))
        defer { ERR_clear_error() }
        return count > 0 ? Array(bytes[..<Int(count)]) : nil
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        return SSL_write(connection, bytes, Int32(bytes.count)) == Int32(bytes.count)
    }

    /// Draws new keys for what we send, and asks the other side to do the same.
    func updateKeys() {
        SSL_key_update(connection, SSL_KEY_UPDATE_REQUESTED)
    }

    /// Resets the connection, without any goodbye.
    func cut() {
        var hard = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &hard, socklen_t(MemoryLayout<linger>.size))
    }

    /// Carries bytes between the client and a server's unix socket until either ends.
    ///
    /// - Parameters:
    ///   - cutAfter: ends hard once the server has sent so many bytes.
    ///   - updatingKeys: before each piece of what the server sends.
    func relay(to path: String, cutAfter limit: Int = .max, updatingKeys: Bool = false) {
        guard let upstream = Self.connect(path) else { return }
        defer { close(upstream) }
        var buffer = [UInt8](repeating: 0, count: 32 << 10)
        var sent = 0
        while true {
            var entries = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: upstream, events: Int16(POLLIN), revents: 0),
            ]
            guard SSL_pending(connection) > 0 || poll(&entries, 2, 10_000) > 0 else { return }
            if SSL_pending(connection) > 0 || entries[0].revents != 0 {
                guard var bytes = receive()?[...] else { return }
                while !bytes.isEmpty {
                    let count = bytes.withUnsafeBytes {
                        Foundation.send(upstream, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { return }
                    bytes = bytes.dropFirst(count)
                }
            }
            if entries[1].revents != 0 {
                let count = recv(upstream, &buffer, buffer.count, 0)
                guard count > 0 else { return }
                if updatingKeys { updateKeys() }
                let end = min(count, limit - sent)
                guard end == 0 || send(Array(buffer[..<end])) else { return }
                sent += end
                if sent >= limit { return cut() }
            }
        }
    }

    private static func connect(_ path: String) -> Int32? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        if isConnected { return descriptor }
        close(descriptor)
        return nil
    }
}
