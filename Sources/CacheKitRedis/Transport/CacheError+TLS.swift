internal import CacheKitCore
internal import COpenSSL

// The one place where what OpenSSL reports becomes a `CacheError`. Only texts that OpenSSL has built in get into a message.
extension CacheError {
    /// Why a connection can't go on, from the calling thread's queue of errors.
    ///
    /// Numbers of alerts: RFC 8446, section 6.2; OpenSSL's reason for one that was received is 1000 more.
    static func tls(_ connection: OpaquePointer, hasIdentity: Bool, isCertificateRequested: Bool) -> CacheError {
        let error = ERR_peek_last_error()
        let reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0
        let alert = reason - CInt(SSL_AD_REASON_OFFSET)
        switch reason {
        case SSL_R_CERTIFICATE_VERIFY_FAILED: return tlsCertificate(SSL_get_verify_result(connection))
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_PACKET_LENGTH_TOO_LONG: return tlsNotSpoken()
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH, SSL_R_WRONG_SSL_VERSION:
            return tlsVersion()
        default: break
        }
        switch alert {
        case SSL_AD_CERTIFICATE_REQUIRED: return tlsClientRefused(hasIdentity: hasIdentity)
        // Servers of TLS 1.2 say no more than that the handshake failed.
        case SSL_AD_HANDSHAKE_FAILURE where isCertificateRequested: return tlsClientRefused(hasIdentity: hasIdentity)
        case SSL_AD_BAD_CERTIFICATE, SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
            SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA, SSL_AD_ACCESS_DENIED,
            SSL_AD_DECRYPT_ERROR:
            return tlsClientRefused(hasIdentity: hasIdentity)
        case SSL_AD_PROTOCOL_VERSION: return tlsVersion()
        case SSL_AD_UNRECOGNIZED_NAME:
            return CacheError(
                .remoteUnavailable, "Redis does not serve the name it was asked for; check the address or serverName")
        default:
            return CacheError(
                .remoteUnavailable, "TLS with Redis failed (\(tlsReason())); check what both sides allow")
        }
    }

    /// OpenSSL's own words for the last error.
    static func tlsReason() -> String {
        ERR_reason_error_string(ERR_peek_last_error()).map { String(cString: $0) } ?? "no reason given"
    }

    /// The server's certificate was not accepted here (codes: X509_STORE_CTX_get_error(3)).
    private static func tlsCertificate(_ result: Int) -> CacheError {
        let text =
            switch CInt(truncatingIfNeeded: result) {
            case X509_V_ERR_CERT_HAS_EXPIRED:
                "has expired; renew it there, or set this machine's clock"
            case X509_V_ERR_CERT_NOT_YET_VALID:
                "is not valid yet; set this machine's clock, or issue it anew"
            case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
                "is for another name or address; check where the address leads, or set serverName to a name it has"
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
                X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
                X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED,
                X509_V_ERR_CERT_SIGNATURE_FAILURE:
                "is not signed by an authority trusted here; set trust to the one that signed it"
            default:
                "is not accepted (\(String(cString: X509_verify_cert_error_string(result)))); issue another one"
            }
        return CacheError(.remoteAuthentication, "the certificate of the Redis server \(text)")
    }

    private static func tlsClientRefused(hasIdentity: Bool) -> CacheError {
        CacheError(
            .remoteAuthentication,
            hasIdentity
                ? "Redis does not accept the client certificate; give one that it trusts and that has not expired"
                : "Redis asks for a client certificate; set identity of RedisTLS")
    }

    private static func tlsVersion() -> CacheError {
        CacheError(
            .remoteUnavailable, "Redis speaks no version of TLS that is allowed here; allow TLS 1.2 or 1.3 there")
    }

    /// What listens answers in another protocol.
    static func tlsNotSpoken() -> CacheError {
        CacheError(
            .remoteUnavailable, "what listens there speaks no TLS; use redis:// in place of rediss://, or its TLS port")
    }

    /// Nothing was answered: a Redis without TLS waits for the end of a line that never comes.
    static func tlsSilence() -> CacheError {
        CacheError(
            .remoteTimeout,
            "the server did not answer the TLS handshake; if its port is no TLS port, use redis:// or its TLS port")
    }

    /// The connection ended while hands were shaken.
    static func tlsHandshakeEnded(_ cause: CacheError?) -> CacheError {
        CacheError(
            .remoteUnavailable, "Redis closed the connection in the TLS handshake; check that this port speaks TLS",
            cause: cause)
    }

    /// A plain connection met something that speaks TLS.
    static func tlsExpected() -> CacheError {
        CacheError(.remoteUnavailable, "what listens there speaks TLS; use rediss:// in place of redis://")
    }

    /// A plain connection was closed before anything was answered, as OpenSSL's servers do with what is no TLS.
    static func redisClosedUnanswered(_ cause: CacheError? = nil) -> CacheError {
        CacheError(
            .remoteUnavailable, "Redis closed the connection before it answered; if it speaks TLS there, use rediss://",
            cause: cause)
    }

    /// A server was about to be connected to otherwise than its address says.
    static func tlsMissing() -> CacheError {
        CacheError(.internalFault, "TLS was not set up for this address; open the store anew")
    }

    static func tlsMemory() -> CacheError {
        CacheError(.internalFault, "OpenSSL could not be set up; check memory and OpenSSL's configuration")
    }
}
