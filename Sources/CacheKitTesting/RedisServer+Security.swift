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
            if let identity { self.identity = identity } else { self.identity = try authority.issue() }
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
                requiresClientCertificate ? "yes" : "no",
            ]
        }
    }

    /// The certificate of the authority, where the server speaks TLS.
    public var authorityFile: String { folder + "/ca.pem" }

    /// Whether anything answers at a unix socket.
    static func answers(socketPath: String) -> Bool {
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(socketPath.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        return isConnected && answers(descriptor)
    }
}
