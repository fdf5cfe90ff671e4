import ArgumentParser
import CacheKit
import CacheKitCore
import CacheKitRedis

/// Whom a `rediss://` address trusts, and who we are there.
struct RedisTLSOptions: ParsableArguments {
    @Option(
        name: .customLong("redis-ca"),
        help: "A PEM file with the authorities trusted for Redis; CACHEKIT_REDIS_CA, or the system's, where left out.")
    var authorities: String?

    @Option(
        name: .customLong("redis-cert"),
        help: "A PEM file with the client certificate for Redis; CACHEKIT_REDIS_CERT where left out.")
    var certificate: String?

    @Option(
        name: .customLong("redis-key"),
        help: "A PEM file with the key of that certificate, without a passphrase; CACHEKIT_REDIS_KEY where left out.")
    var key: String?

    /// `nil` where nothing was said.
    var settings: RedisTLS? {
        get throws(CacheError) {
            let authorities = authorities ?? StoreOptions.variable("CACHEKIT_REDIS_CA")
            let certificate = certificate ?? StoreOptions.variable("CACHEKIT_REDIS_CERT")
            let key = key ?? StoreOptions.variable("CACHEKIT_REDIS_KEY")
            guard authorities != nil || certificate != nil || key != nil else { return nil }
            var tls = RedisTLS()
            if let authorities { tls.trust = .only(.file(authorities)) }
            switch (certificate, key) {
            case (let certificate?, let key?):
                tls.identity = RedisTLS.Identity(certificates: .file(certificate), privateKey: .file(key))
            case (nil, nil): break
            default:
                throw CacheError(
                    .invalidConfiguration,
                    "a client certificate and its key go together: give --redis-cert and --redis-key")
            }
            return tls
        }
    }
}
