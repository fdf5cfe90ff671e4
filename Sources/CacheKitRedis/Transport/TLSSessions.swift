internal import COpenSSL
internal import Synchronization

/// One session for each server, with which the next connection to it goes on: it spares the signatures of a handshake.
///
/// A session is used once (RFC 8446, appendix C.4): whoever takes it leaves none behind.
final class TLSSessions: Sendable {
    private static let maximumCount = 1024
    private let sessions = Mutex<[String: Session]>([:])

    /// How many there are.
    var count: Int { sessions.withLock { $0.count } }

    /// Keeps what a connection was given, if the server lets anyone go on with it.
    func keep(from connection: OpaquePointer, for server: String) {
        guard let pointer = SSL_get1_session(connection) else { return }
        let session = Session(pointer)
        guard SSL_SESSION_is_resumable(pointer) == 1 else { return }
        sessions.withLock { sessions in
            if sessions.count >= Self.maximumCount, sessions[server] == nil { sessions.removeAll() }
            sessions[server] = session
        }
    }

    /// Lets a new connection go on with what an earlier one was given.
    func resume(_ connection: OpaquePointer, to server: String) {
        guard let session = sessions.withLock({ $0.removeValue(forKey: server) }) else { return }
        session.resume(connection)
    }

    // Unchecked because of the pointer: OpenSSL counts a session's references atomically, and we only pass it on.
    private final class Session: @unchecked Sendable {
        private let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) {
            self.pointer = pointer
        }

        func resume(_ connection: OpaquePointer) {
            SSL_set_session(connection, pointer)
        }

        deinit {
            SSL_SESSION_free(pointer)
        }
    }
}
