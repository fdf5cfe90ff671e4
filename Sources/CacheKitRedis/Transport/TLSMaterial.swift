internal import CacheKitCore
internal import COpenSSL

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Darwin
#endif

/// Certificates, read from PEM. Lends them only to its own methods, which keep it alive.
final class CertificateList {
    /// OpenSSL's, in their order; at least one.
    private var certificates: [OpaquePointer] = []

    /// - Parameter name: what they are, for messages.
    /// - Throws: `invalidConfiguration`; no message holds a path or anything of the contents.
    init(_ source: RedisTLS.Certificates, name: String) throws(CacheError) {
        switch source {
        case .file(let path):
            try PEMFile.withBytes(of: path, name: name) { bytes throws(CacheError) in try parse(bytes, name) }
        case .pem(let bytes):
            try bytes.withUnsafeBufferPointer { bytes throws(CacheError) in
                try parse(UnsafeRawBufferPointer(bytes), name)
            }
        }
    }

    deinit {
        for certificate in certificates { X509_free(certificate) }
    }

    /// Trusts each of them.
    func addAll(to store: OpaquePointer?) throws(CacheError) {
        for certificate in certificates {
            guard X509_STORE_add_cert(store, certificate) == 1 else { throw .tlsMemory() }
        }
    }

    /// Shows the first one to servers, and the others as what leads to their authority.
    func identify(_ context: OpaquePointer) throws(CacheError) {
        ERR_clear_error()
        guard SSL_CTX_use_certificate(context, certificates[0]) == 1 else {
            throw CacheError(
                .invalidConfiguration,
                "the client certificate of RedisTLS can't be used (\(CacheError.tlsReason())); give another one")
        }
        for certificate in certificates.dropFirst() {
            guard ck_tls_add_chain_certificate(context, certificate) == 1 else { throw .tlsMemory() }
        }
    }

    private func parse(_ bytes: UnsafeRawBufferPointer, _ name: String) throws(CacheError) {
        guard let input = BIO_new_mem_buf(bytes.baseAddress, CInt(clamping: bytes.count)) else {
            throw CacheError(.invalidConfiguration, "\(name): the file is empty; give PEM")
        }
        defer {
            BIO_free(input)
            ERR_clear_error()
        }
        ERR_clear_error()
        while let certificate = PEM_read_bio_X509(input, nil, refusePassphrase, nil) {
            certificates.append(certificate)
        }
        // The loop ends with an error in any case: the good one is that nothing more begins.
        let end = ERR_peek_last_error()
        guard ERR_GET_LIB(end) == ERR_LIB_PEM, ERR_GET_REASON(end) == PEM_R_NO_START_LINE, !certificates.isEmpty else {
            throw CacheError(
                .invalidConfiguration, "\(name): no certificate in PEM, or a damaged one; give '-----BEGIN CERTIFICATE'"
            )
        }
    }
}

/// A private key, read from PEM. Lends it only to its own methods, which keep it alive.
final class ClientKey {
    private let key: OpaquePointer

    /// - Throws: `invalidConfiguration`; no message holds a path or anything of the contents.
    init(_ source: RedisTLS.PrivateKey) throws(CacheError) {
        key =
            switch source {
            case .file(let path):
                try PEMFile.withBytes(of: path, name: Self.name) { bytes throws(CacheError) in try Self.parse(bytes) }
            case .pem(let secret): try secret.withBytes { bytes throws(CacheError) in try Self.parse(bytes) }
            }
    }

    deinit {
        EVP_PKEY_free(key)
    }

    /// Uses it for the certificate that is shown to servers.
    func identify(_ context: OpaquePointer) throws(CacheError) {
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw CacheError(
                .invalidConfiguration, "the key of the client certificate belongs to another certificate; give its own")
        }
    }

    private static let name = "the key of the client certificate"

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws(CacheError) -> OpaquePointer {
        guard let input = BIO_new_mem_buf(bytes.baseAddress, CInt(clamping: bytes.count)) else {
            throw CacheError(.invalidConfiguration, "\(name): the file is empty; give PEM")
        }
        defer {
            BIO_free(input)
            ERR_clear_error()
        }
        var isEncrypted = false
        guard let key = PEM_read_bio_PrivateKey(input, nil, refusePassphrase, &isEncrypted) else {
            throw CacheError(
                .invalidConfiguration,
                isEncrypted
                    ? "\(name) is encrypted; give it without a passphrase"
                    : "\(name) is no private key in PEM, or a damaged one; give '-----BEGIN PRIVATE KEY'")
        }
        return key
    }
}

/// Says that a passphrase was asked for, and gives none: OpenSSL's own way is to ask at the terminal.
private func refusePassphrase(
    _: UnsafeMutablePointer<CChar>?, _: CInt, _: CInt, _ wasAsked: UnsafeMutableRawPointer?
) -> CInt {
    wasAsked?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
}

/// Reading files that may hold keys.
private enum PEMFile {
    /// More than the bundles of systems have.
    private static let limit = 4 << 20

    /// Lends the contents of a file, and zeroes them.
    static func withBytes<Result>(
        of path: String, name: String, _ body: (UnsafeRawBufferPointer) throws(CacheError) -> Result
    ) throws(CacheError) -> Result {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw unreadable(name, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(name, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CacheError(.invalidConfiguration, "\(name): not a regular file; check its path")
        }
        guard status.st_size <= limit else {
            throw CacheError(.invalidConfiguration, "\(name): the file is larger than 4 MiB; check its path")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(status.st_size), alignment: 16)
        defer {
            OPENSSL_cleanse(buffer.baseAddress, buffer.count)
            buffer.deallocate()
        }
        var count = 0
        while count < buffer.count {
            let got = read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw unreadable(name, errno) }
            guard got > 0 else { break }
            count += got
        }
        return try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }

    private static func unreadable(_ name: String, _ code: CInt) -> CacheError {
        CacheError(
            .invalidConfiguration,
            "\(name): the file can't be read (\(String(cString: strerror(code)))); check its path and permissions")
    }
}
