import COpenSSL

/// Keeps OpenSSL's tables until the process is gone.
///
/// OpenSSL frees them in an `atexit` handler, while a store's writer thread may still be freeing its own contexts: the same
/// reference would be given back twice. The memory goes with the process anyway; keys are zeroed by their owners.
/// Source: OPENSSL_init_crypto(3), `OPENSSL_INIT_NO_ATEXIT`. Has no effect if the program initialised OpenSSL before.
package enum OpenSSLLifetime {
    /// Read before the first call into OpenSSL.
    package static let isExtended = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
