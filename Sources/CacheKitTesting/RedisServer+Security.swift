public import CacheKitCore

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

extension RedisServer {
    /// What a server speaks TLS with.
    public struct Security: Sendable {
        /// Who signs; clients trust it, and so does the server.
        public var authority: TestAuthority
        /// The server's own certificate.
        public var identity: TestAuthority.Identity
        /// Whether clients must show a certificate of the authority.
        public var requiresClientCertificate: Bool

        /// A certificate for `localhost` and `127.0.0.1`, where no other is given.
        public init(
            _ authority: TestAuthority, identity: TestAuthority.Identity? = nil, requiresClientCertificate: Bool = false
        ) throws(CacheError) {
            self.authority = authority
            // The servers of a Cluster always want to see each other's certificate.
            if let identity { self.identity = identity } else { self.identity = try authority.issue(isPeer: true) }
            self.requiresClientCertificate = requiresClientCertificate
        }

        func save(in folder: String) throws(CacheError) {
            let files = [
                ("ca.pem", authority.certificate), ("server.pem", identity.certificate), ("server.key", identity.key),
            ]
            for (name, bytes) in files {
                let descriptor = open(folder + "/" + name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
                defer { close(descriptor) }
                guard write(descriptor, bytes, bytes.count) == bytes.count else {
                    throw CacheError(.inputOutput, "a certificate could not be written for redis-server")
                }
            }
        }

        func options(port: Int, folder: String) -> [String] {
            [
                "--port", "0", "--tls-port", String(port), "--tls-cert-file", folder + "/server.pem", "--tls-key-file",
                folder + "/server.key", "--tls-ca-cert-file", folder + "/ca.pem", "--tls-auth-clients",
                requiresClientCertificate ? "yes" : "no", "--tls-replication", "yes",
            ]
        }
    }

    /// The certificate of the authority, where the server speaks TLS.
    public var authorityFile: String { folder + "/ca.pem" }

    /// Whether anything answers at a unix socket.
    static func answers(socketPath: String) -> Bool {
        guard let descriptor = connection(toSocket: socketPath) else { return false }
        defer { close(descriptor) }
        return answers(descriptor)
    }

    /// A plain connection: to the port, or to the unix socket where the port speaks TLS. To be closed by the caller.
    func plainConnection() -> CInt? {
        if security != nil { return Self.connection(toSocket: socketPath) }
        guard let descriptor = Self.loopbackSocket() else { return nil }
        if Self.withLoopbackAddress(port: port, { connect(descriptor, $0, $1) == 0 }) { return descriptor }
        close(descriptor)
        return nil
    }

    private static func connection(toSocket socketPath: String) -> CInt? {
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(socketPath.utf8)
        let fits = path.count < MemoryLayout.size(ofValue: address.sun_path)
        if fits { withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) } }
        let isConnected =
            fits
            && withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
                }
            }
        if isConnected { return descriptor }
        close(descriptor)
        return nil
    }
}
