public import CacheKitCore
internal import COpenSSL

/// A throwaway certificate authority for tests of TLS: keys on the curve P-256, certificates by libcrypto, nothing on disk.
public final class TestAuthority: @unchecked Sendable {
    // Unchecked because of the pointers: both objects are only read after `init`.
    private let key: OpaquePointer
    private let authority: OpaquePointer

    /// The authority's own certificate, as PEM.
    public let certificate: [UInt8]

    /// A certificate and its key, as PEM.
    public struct Identity: Sendable {
        /// The certificate.
        public let certificate: [UInt8]
        /// Its key.
        public let key: [UInt8]
    }

    /// When a certificate is valid.
    public enum Validity: Sendable {
        /// From an hour ago for a day.
        case current
        /// Until an hour ago.
        case expired
        /// From tomorrow on.
        case later

        fileprivate var seconds: (from: Int, to: Int) {
            switch self {
            case .current: (-3600, 86_400)
            case .expired: (-86_400, -3600)
            case .later: (86_400, 172_800)
            }
        }
    }

    /// An authority with a key of its own.
    public init(name: String = "CacheKit test authority") throws(CacheError) {
        let key = try Self.makeKey()
        let authority = try Self.makeCertificate(
            name, key: key, issuer: nil, issuerKey: key, validity: .current,
            extensions: [(NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,keyCertSign,cRLSign")])
        certificate = try Self.pem { PEM_write_bio_X509($0, authority) }
        self.key = key
        self.authority = authority
    }

    deinit {
        X509_free(authority)
        EVP_PKEY_free(key)
    }

    /// Issues a certificate.
    ///
    /// - Parameters:
    ///   - names: as in OpenSSL's `subjectAltName`, such as `DNS:localhost,IP:127.0.0.1`; `nil` for a client.
    ///   - isPeer: whether a server may show it as a client, too.
    public func issue(
        names: String? = "DNS:localhost,IP:127.0.0.1", subject: String = "test", validity: Validity = .current,
        isPeer: Bool = false
    ) throws(CacheError) -> Identity {
        let own = try Self.makeKey()
        defer { EVP_PKEY_free(own) }
        var extensions = [(NID_basic_constraints, "critical,CA:FALSE")]
        let usage = names == nil ? "clientAuth" : isPeer ? "serverAuth,clientAuth" : "serverAuth"
        extensions.append((NID_ext_key_usage, usage))
        if let names { extensions.append((NID_subject_alt_name, names)) }
        let issued = try Self.makeCertificate(
            subject, key: own, issuer: authority, issuerKey: key, validity: validity, extensions: extensions)
        defer { X509_free(issued) }
        return Identity(
            certificate: try Self.pem { PEM_write_bio_X509($0, issued) },
            key: try Self.pem { PEM_write_bio_PrivateKey($0, own, nil, nil, 0, nil, nil) })
    }

    private static func makeKey() throws(CacheError) -> OpaquePointer {
        let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil)
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            EVP_PKEY_keygen(context, &key) == 1, let key
        else { throw failure("make a key") }
        return key
    }

    private static func makeCertificate(
        _ subject: String, key: OpaquePointer, issuer: OpaquePointer?, issuerKey: OpaquePointer, validity: Validity,
        extensions: [(CInt, String)]
    ) throws(CacheError) -> OpaquePointer {
        guard let certificate = X509_new() else { throw failure("make a certificate") }
        let name = X509_get_subject_name(certificate)
        var isGood =
            X509_set_version(certificate, 2) == 1
            && ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), .random(in: 1 ... .max)) == 1
            && X509_gmtime_adj(X509_getm_notBefore(certificate), validity.seconds.from) != nil
            && X509_gmtime_adj(X509_getm_notAfter(certificate), validity.seconds.to) != nil
            && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, subject, CInt(subject.utf8.count), -1, 0) == 1
            && X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? name) == 1
            && X509_set_pubkey(certificate, key) == 1
        for (number, value) in extensions where isGood {
            let made = X509V3_EXT_conf_nid(nil, nil, number, value)
            isGood = made != nil && X509_add_ext(certificate, made, -1) == 1
            X509_EXTENSION_free(made)
        }
        guard isGood, X509_sign(certificate, issuerKey, EVP_sha256()) > 0 else {
            X509_free(certificate)
            throw failure("fill a certificate")
        }
        return certificate
    }

    private static func pem(_ write: (OpaquePointer?) -> CInt) throws(CacheError) -> [UInt8] {
        let output = BIO_new(BIO_s_mem())
        defer { BIO_free(output) }
        guard write(output) == 1 else { throw failure("write PEM") }
        var bytes = [UInt8](repeating: 0, count: BIO_ctrl_pending(output))
        let count = BIO_read(output, &bytes, CInt(bytes.count))
        guard count == bytes.count else { throw failure("read PEM") }
        return bytes
    }

    private static func failure(_ what: String) -> CacheError {
        ERR_clear_error()
        return CacheError(.internalFault, "libcrypto could not \(what) for a test")
    }
}
