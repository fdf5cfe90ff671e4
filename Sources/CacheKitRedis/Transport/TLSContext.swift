internal import CacheKitCore
internal import COpenSSL

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// What all TLS connections of a store have in common: trust, identity, versions, and sessions to go on with.
final class TLSContext: @unchecked Sendable {
    // Unchecked because of the pointers: both objects are only read once they are built, and OpenSSL counts their
    // references atomically (SSL_CTX_new(3), "threads(7)").
    private let context: OpaquePointer
    private let method: OpaquePointer
    private let serverName: String?
    private let isVerifying: Bool
    let hasIdentity: Bool
    let sessions = TLSSessions()

    /// - Throws: `invalidConfiguration` for files that can't be read, bad PEM, and a key of another certificate.
    init(_ settings: RedisTLS) throws(CacheError) {
        // Before OpenSSL's first call, as everywhere here.
        _ = OpenSSLLifetime.isExtended
        try CacheError.check(settings.problems.map { $0.within("tls") })
        guard let context = SSL_CTX_new(TLS_client_method()) else { throw .tlsMemory() }
        guard let method = ck_tls_bio_method() else {
            SSL_CTX_free(context)
            throw .tlsMemory()
        }
        self.context = context
        self.method = method
        serverName = settings.serverName
        isVerifying = settings.verification == .full
        hasIdentity = settings.identity != nil
        defer { ERR_clear_error() }
        let version = settings.minimumVersion == .tls13 ? TLS1_3_VERSION : TLS1_2_VERSION
        guard ck_tls_configure(context, version) == 1 else { throw .tlsMemory() }
        SSL_CTX_set_verify(context, isVerifying ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
        try trust(settings.trust)
        if let identity = settings.identity { try introduce(identity) }
    }

    deinit {
        SSL_CTX_free(context)
        BIO_meth_free(method)
    }

    private func trust(_ trust: RedisTLS.Trust) throws(CacheError) {
        switch trust {
        case .system:
            guard SSL_CTX_set_default_verify_paths(context) == 1 else {
                throw CacheError(
                    .invalidConfiguration, "the system's authorities can't be loaded; install them, or give your own")
            }
        case .only(let source):
            let store = SSL_CTX_get_cert_store(context)
            try CertificateList(source, name: "the authorities of RedisTLS").addAll(to: store)
            // An authority that was named need not be one at the root.
            X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        }
    }

    private func introduce(_ identity: RedisTLS.Identity) throws(CacheError) {
        try CertificateList(identity.certificates, name: "the client certificate of RedisTLS").identify(context)
        try ClientKey(identity.privateKey).identify(context)
    }

    /// A connection to a host that has not shaken hands yet.
    ///
    /// - Parameter buffers: what it reads from and writes to; must outlive it.
    func makeConnection(
        to host: String, _ buffers: UnsafeMutablePointer<ck_tls_buffers>
    ) throws(CacheError) -> OpaquePointer {
        guard let connection = SSL_new(context) else { throw .tlsMemory() }
        guard ck_tls_attach(connection, method, buffers) == 1 else {
            SSL_free(connection)
            throw .tlsMemory()
        }
        SSL_set_connect_state(connection)
        guard expect(serverName ?? host, of: connection) else {
            SSL_free(connection)
            throw CacheError(
                .invalidConfiguration, "the host's name can't be checked in a certificate; set serverName of RedisTLS")
        }
        return connection
    }

    /// Names of DNS are sent and checked, IP addresses only checked (RFC 6066, section 3; RFC 9525). A name in the subject
    /// does not count, and neither does a wildcard within a label.
    private func expect(_ host: String, of connection: OpaquePointer) -> Bool {
        let name = String(host.prefix { $0 != "%" })
        if Self.isAddress(name) {
            return !isVerifying || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), name) == 1
        }
        // A trailing dot ends a full name for the resolver; certificates are without it.
        let label = host.hasSuffix(".") ? String(host.dropLast()) : host
        guard !label.isEmpty, ck_tls_set_server_name(connection, label) == 1 else { return false }
        guard isVerifying else { return true }
        SSL_set_hostflags(
            connection, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        return SSL_set1_host(connection, label) == 1
    }

    private static func isAddress(_ text: String) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { space in
            inet_pton(AF_INET, text, space.baseAddress) == 1 || inet_pton(AF_INET6, text, space.baseAddress) == 1
        }
    }
}
