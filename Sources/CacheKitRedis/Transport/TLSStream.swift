internal import CacheKitCore
internal import COpenSSL
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// A stream of bytes that is encrypted on its way through a socket.
///
/// OpenSSL's object serves one call at a time, so reading and writing share a lock, which is held for one record of 16 KiB
/// when reading and for one portion when writing; receiving happens outside it. OpenSSL never touches the socket: it
/// works on two buffers, so that neither direction ever waits for the other (decision 0019).
final class TLSStream: ByteStream, @unchecked Sendable {
    // Unchecked because of `incoming`, into which only the reading thread receives, while OpenSSL holds nothing of it.
    private static let incomingSize = 64 << 10
    /// The most plain text in a record (RFC 8446, section 5.1).
    private static let recordSize = 16 << 10
    /// What is encrypted before it is sent: enough for the cost of sending to be small beside that of encrypting.
    private static let portionSize = 64 << 10

    // Unchecked because of the pointers, which nobody has without the lock.
    struct State: @unchecked Sendable {
        let connection: OpaquePointer
        let buffers: UnsafeMutablePointer<ck_tls_buffers>
        /// How much of what is outgoing the socket has taken.
        var sentCount = 0
        /// Records with data of the caller that have not left completely.
        var records: [(end: Int, plainCount: Int)] = []
        /// How much of the next write is in those already.
        var encryptedCount = 0
        var isShutDown = false
        /// Why nothing can be read or written any more.
        var failure: CacheError?
        var hasDecrypted = false
        /// Whether the last read ended because its buffer was full.
        var isHolding = false
    }

    let socket: Socket
    let context: TLSContext
    let state: Mutex<State>
    private let server: String
    private let incoming: UnsafeMutableRawBufferPointer

    var descriptor: CInt { socket.descriptor }
    var isEncrypted: Bool { true }
    var holdsReceivedBytes: Bool { state.withLock { $0.isHolding } }

    /// A stream over a connected socket; of use after ``handshake(deadline:)``.
    init(_ socket: Socket, _ context: TLSContext, _ endpoint: RedisEndpoint) throws(CacheError) {
        let buffers = UnsafeMutablePointer<ck_tls_buffers>.allocate(capacity: 1)
        buffers.initialize(to: ck_tls_buffers())
        let connection: OpaquePointer
        do throws(CacheError) {
            connection = try context.makeConnection(to: endpoint.host, buffers)
        } catch {
            buffers.deallocate()
            throw error
        }
        self.socket = socket
        self.context = context
        server = endpoint.description
        incoming = .allocate(byteCount: Self.incomingSize, alignment: 64)
        context.sessions.resume(connection, to: server)
        state = Mutex(State(connection: connection, buffers: buffers))
    }

    deinit {
        state.withLock { state in
            // OpenSSL takes sessions of connections that were not taken leave of for bad ones.
            SSL_set_shutdown(state.connection, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
            SSL_free(state.connection)
            free(state.buffers.pointee.outgoing)
            state.buffers.deallocate()
        }
        incoming.deallocate()
    }

    /// Decrypts what has arrived, until the buffer is full or nothing more has come.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamProgress {
        var count = 0
        while true {
            switch decrypt(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...])) {
            case .bytes(let decrypted):
                count += decrypted
                if count == buffer.count { return .bytes(count) }
                continue
            case .wouldBlock: break
            case .endOfStream: return count > 0 ? .bytes(count) : .endOfStream
            case .failed(let error): return count > 0 ? .bytes(count) : .failed(error)
            }
            let progress = receive()
            guard case .bytes = progress else { return count > 0 ? .bytes(count) : progress }
        }
    }

    /// One record at most, so that a writer waits for no more than that.
    private func decrypt(into buffer: UnsafeMutableRawBufferPointer) -> StreamProgress {
        state.withLock { state in
            if let failure = state.failure { return .failed(failure) }
            var count = 0
            ERR_clear_error()
            guard SSL_read_ex(state.connection, buffer.baseAddress, buffer.count, &count) != 1 else {
                state.hasDecrypted = true
                state.isHolding = count == buffer.count
                return .bytes(count)
            }
            state.isHolding = false
            switch SSL_get_error(state.connection, 0) {
            case SSL_ERROR_WANT_READ: return .wouldBlock
            case SSL_ERROR_ZERO_RETURN: return .endOfStream
            default: return .failed(fail(&state))
            }
        }
    }

    /// Takes what the socket has. Only when OpenSSL has asked for more: then nothing of the last time is left.
    func receive() -> StreamProgress {
        let progress = socket.read(into: incoming)
        guard case .bytes(let count) = progress else { return progress }
        state.withLock { state in
            state.buffers.pointee.received = UnsafePointer(incoming.baseAddress?.assumingMemoryBound(to: UInt8.self))
            state.buffers.pointee.received_count = count
        }
        return progress
    }

    /// Encrypts and sends. What is counted as written has left in complete records: of a record that has not, the server
    /// can read nothing.
    func write(_ bytes: UnsafeRawBufferPointer) -> StreamProgress {
        let (progress, hasDecrypted) = state.withLock { (write(bytes, &$0), $0.hasDecrypted) }
        // A server that refuses a client says why and closes; sending may notice first. Until it has said anything else,
        // the thread that logs in is alone here and may look.
        if case .failed = progress, !hasDecrypted, let refusal = refusal() { return .failed(refusal) }
        return progress
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ state: inout State) -> StreamProgress {
        if let failure = state.failure { return .failed(failure) }
        guard !state.isShutDown else { return .failed(.redisClosed()) }
        while true {
            if state.isAllSent {
                state.clear()
                guard encrypt(bytes, &state) else { return .failed(fail(&state)) }
            }
            switch state.send(to: socket) {
            case .bytes: break
            case let other: return other
            }
            let written = state.settle()
            if written > 0 || bytes.isEmpty { return .bytes(written) }
            // What has left was a message of TLS itself.
            guard state.isAllSent else { return .wouldBlock }
        }
    }

    private func encrypt(_ bytes: UnsafeRawBufferPointer, _ state: inout State) -> Bool {
        ERR_clear_error()
        let limit = min(bytes.count, Self.portionSize)
        while state.encryptedCount < limit {
            let size = min(limit - state.encryptedCount, Self.recordSize)
            var count = 0
            let start = bytes.baseAddress.map { $0 + state.encryptedCount }
            guard SSL_write_ex(state.connection, start, size, &count) == 1 else { return false }
            state.encryptedCount += count
            state.records.append((end: state.buffers.pointee.outgoing_count, plainCount: count))
        }
        return true
    }

    /// Notes that OpenSSL has given up, and says why.
    func fail(_ state: inout State) -> CacheError {
        if let failure = state.failure { return failure }
        let failure = CacheError.tls(
            state.connection, hasIdentity: context.hasIdentity,
            isCertificateRequested: state.buffers.pointee.is_certificate_requested != 0)
        ERR_clear_error()
        state.failure = failure
        // The alert that tells the server, as far as it goes.
        if state.records.isEmpty, !state.isAllSent { _ = state.send(to: socket) }
        return failure
    }

    private func refusal() -> CacheError? {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 16) { buffer in
            guard case .failed(let error) = read(into: buffer), error.code == .remoteAuthentication else { return nil }
            return error
        }
    }

    func shutDown() {
        state.withLock { state in
            guard !state.isShutDown else { return }
            state.isShutDown = true
            context.sessions.keep(from: state.connection, for: server)
            // Behind half a record nothing can be said; and the rest of it must not follow now that its caller was told
            // that it has not been sent.
            if state.failure == nil, state.isAllSent {
                state.clear()
                SSL_shutdown(state.connection)
                ERR_clear_error()
                _ = state.send(to: socket)
            }
        }
        socket.shutDown()
    }
}

extension TLSStream.State {
    var isAllSent: Bool { sentCount == buffers.pointee.outgoing_count }

    mutating func clear() {
        buffers.pointee.outgoing_count = 0
        sentCount = 0
    }

    /// Hands over what is outgoing, as much as is taken now.
    mutating func send(to socket: Socket) -> StreamProgress {
        guard !isAllSent else { return .bytes(0) }
        let outgoing = UnsafeRawBufferPointer(
            start: buffers.pointee.outgoing + sentCount, count: buffers.pointee.outgoing_count - sentCount)
        let progress = socket.write(outgoing)
        if case .bytes(let count) = progress { sentCount += count }
        return progress
    }

    /// How many bytes of the caller have left since it was last asked.
    fileprivate mutating func settle() -> Int {
        let complete = records.prefix { $0.end <= sentCount }
        let count = complete.reduce(0) { $0 + $1.plainCount }
        records.removeFirst(complete.count)
        encryptedCount -= count
        return count
    }
}
